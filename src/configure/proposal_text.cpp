#include <cstdio>

#include "configure/proposal.h"

namespace glint {
namespace {

std::string list(const char* title, const std::vector<std::string>& sentences) {
  if (sentences.empty()) return "";
  std::string text = cat("\n", title, "\n");
  for (const std::string& sentence : sentences) text += cat("  - ", sentence, "\n");
  return text;
}

template <typename... Args>
std::string line(const char* format, Args... args) {
  char text[200];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

std::string speed_table(const ExpectedSpeed& speed) {
  std::string text = line("\n%-34s%10s%10s\n", "speed", "expected", "at most");
  text += line("  %-32s%10.1f%10.1f\n", "one step, a token of each, ms", speed.step_ms,
               speed.limit_step_ms);
  text += line("  %-32s%10.0f%10.0f\n", "output tokens/s of all", speed.tokens_per_s(),
               speed.limit_tokens_per_s());
  text += line("  %-32s%10.0f%10.0f\n", "output tokens/s of one", 1e3 / speed.step_ms,
               1e3 / speed.limit_step_ms);
  text += line("  %-32s%10.0f\n", "first token of a full prompt, ms", speed.first_token_ms);
  return text;
}

}  // namespace

std::string proposal_text(const Proposal& proposal) {
  std::string text;
  for (const std::string& problem : proposal.problems) text += cat("impossible: ", problem, "\n");
  if (!proposal.command.empty()) text += proposal.command + "\n";
  if (proposal.problems.empty() && proposal.memory) {
    const int gpus = proposal.memory->num_gpus;
    text += cat("\nmemory", gpus > 1 ? cat(" of each of the ", gpus, " GPUs of a copy") : "", "\n",
                memory_table(*proposal.memory), "  ", proposal.fitting_requests,
                proposal.fitting_requests == 1 ? " request at its full length fits at once\n"
                                               : " requests at their full length fit at once\n");
  }
  if (proposal.speed) text += speed_table(*proposal.speed);
  if (proposal.speed) text += list("conditions", proposal.speed->conditions);
  text += list("notes", proposal.notes);
  return text + list("not possible in this build yet", proposal.not_yet);
}

}  // namespace glint
