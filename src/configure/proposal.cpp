#include "configure/proposal.h"

#include <algorithm>

namespace glint {
namespace {

constexpr int kGpusOfOneMachine = 8;
const int kDefaultRunningRequests = MemoryPlanRequest{}.max_running_requests;

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Requests of one of the copies.
int concurrency_of_copy(const Setup& setup) {
  return (setup.concurrency + setup.dp - 1) / setup.dp;
}

// Embedding and head stay in BF16 where the rest is FP8; the activations are BF16 in both.
int64_t fp8_savings(const ModelConfig& config) {
  const int64_t kept =
      int64_t{config.vocab_size} * config.hidden_size * (config.tie_word_embeddings ? 1 : 2);
  return weights_bytes(config, 2, false) - weights_bytes(config, 1, false) - kept;
}

MemoryPlan plan_of(const ModelConfig& config, const Setup& setup) {
  MemoryPlan plan = plan_memory(config, {.device = std::string(setup.gpu->name),
                                         .total_bytes = setup.gpu->memory_bytes,
                                         .num_gpus = setup.tp,
                                         .with_mtp = setup.mtp,
                                         .max_running_requests = std::max(
                                             kDefaultRunningRequests, concurrency_of_copy(setup)),
                                         .context_length = setup.context,
                                         .mem_fraction_static = {}});
  if (setup.fp8) {
    const int64_t saved = fp8_savings(gpu_part(config, setup.tp));
    plan.element_bytes = 1;
    plan.weights_bytes -= saved;
    plan.kv_bytes += saved;
  }
  return plan;
}

void check_parallel(const ModelConfig& config, const Setup& setup, Proposal& proposal) {
  if (config.num_attention_heads % setup.tp != 0) {
    proposal.problems.push_back(
        cat("Tensor parallel ", setup.tp, ": each GPU would have ", config.num_attention_heads,
            " / ", setup.tp, " attention heads, which is no whole number. Choose 1, 2 or 4."));
  }
  const int gpus = setup.tp * setup.dp;
  if (gpus > kGpusOfOneMachine) {
    proposal.problems.push_back(cat(setup.dp, " copies with ", setup.tp, " GPUs each are ",
                                    setup.dp, " x ", setup.tp, " = ", gpus,
                                    " GPUs; one machine has ", kGpusOfOneMachine,
                                    ". Start several servers behind a router."));
  }
}

void check_context(const ModelConfig& config, const Setup& setup, Proposal& proposal) {
  if (setup.context <= config.max_position_embeddings) return;
  proposal.problems.push_back(cat(
      "A request of ", setup.context, " tokens is ", setup.context - config.max_position_embeddings,
      " more than the model's context of ", config.max_position_embeddings, "."));
}

void plan(const ModelConfig& config, const Setup& setup, Proposal& proposal) {
  proposal.memory = plan_of(config, setup);
  const MemoryPlan& memory = *proposal.memory;
  const int concurrency = concurrency_of_copy(setup);
  if (const Result<void> fits = check_memory(memory); !fits) {
    const bool is_large = concurrency > kDefaultRunningRequests;
    proposal.problems.push_back(
        fits.error().message +
        (is_large ? cat(" Each of ", concurrency, " requests at once takes its part, too.") : ""));
  }
  const int64_t one = round_up(setup.context, memory.page_size);
  proposal.wanted_tokens = one * concurrency;
  proposal.fitting_requests =
      static_cast<int>(std::min<int64_t>(concurrency, memory.kv_tokens() / one));
}

// Of what was answered; empty: all of it may have been.
std::string not_measured(const Setup& setup) {
  std::string what;
  const auto add = [&](bool is_wanted, const char* name) {
    if (is_wanted) what += cat(what.empty() ? "" : " or ", name);
  };
  add(setup.fp8, "FP8 weights");
  add(setup.mtp, "MTP");
  add(setup.tp > 1, "GPUs that share a model");
  return what;
}

void expect(const ModelConfig& config, const Setup& setup, Proposal& proposal) {
  if (const std::string what = not_measured(setup); !what.empty()) {
    proposal.notes.push_back(cat(
        "No speed is expected: only BF16 without speculation on one GPU has been measured, not ",
        what, "."));
    return;
  }
  proposal.speed =
      expected_speed(config, setup.gpu->name, proposal.fitting_requests, setup.context);
  if (!proposal.speed) {
    proposal.notes.push_back(
        cat("No speed is expected: the rates of ", setup.gpu->name, " are not known."));
  }
}

std::string measured_gpus() {
  std::string names;
  for (const GpuInfo& gpu : gpu_table())
    if (gpu.is_measured()) names += cat(names.empty() ? "" : " and ", gpu.short_name);
  return names;
}

void note(const Setup& setup, const Machine& machine, Proposal& proposal) {
  if (!machine.has_cuda)
    proposal.not_yet.push_back(
        "this program was built without CUDA: cmake --preset cuda builds one with it");
  if (setup.listens_to_network)
    proposal.notes.push_back(
        "Clients must show the key that is in GLINT_API_KEY where the command is typed; without "
        "--api-key whoever reaches the port may use it.");
  if (!setup.gpu->is_measured() && setup.gpu->compute_capability == 90)
    proposal.notes.push_back(cat("glint has run on ", measured_gpus(), " only; ",
                                 setup.gpu->short_name, " is untried."));
  if (setup.tp > 1)
    proposal.notes.push_back(
        cat("Each of the ", setup.tp,
            " GPUs holds its part of heads, experts, dense layer and vocabulary, and the whole KV "
            "cache: together they have room for no more tokens than each."));
  if (setup.dp > 1)
    proposal.notes.push_back(cat(proposal.speed ? "Memory and speed are those" : "Memory is that",
                                 " of one of the ", setup.dp, " copies, with ",
                                 concurrency_of_copy(setup), " of the requests."));
  if (proposal.fitting_requests < concurrency_of_copy(setup)) {
    const std::string fitting =
        proposal.fitting_requests == 1
            ? "1 at its full length runs at once"
            : cat(proposal.fitting_requests, " at their full length run at once");
    const bool one_waits = concurrency_of_copy(setup) - proposal.fitting_requests == 1;
    const char* waiting = one_waits ? "the other waits" : "the others wait";
    proposal.notes.push_back(cat(concurrency_of_copy(setup), " requests of ", setup.context,
                                 " tokens need ", proposal.wanted_tokens, " tokens of cache, ",
                                 proposal.wanted_tokens - proposal.memory->kv_tokens(),
                                 " more than there are: ", fitting, ", ", waiting, "."));
  }
}

std::string command_of(const ModelConfig& config, const Setup& setup) {
  std::string text = cat("glint serve ", shell_word(setup.model));
  // An empty key is refused at the start, so a variable that was not set opens no server.
  if (setup.listens_to_network) text += " --host 0.0.0.0 --api-key \"$GLINT_API_KEY\"";
  if (setup.port != 30'000) text += cat(" --port ", setup.port);
  if (setup.fp8) text += " --quantization fp8";
  if (setup.tp > 1) text += cat(" --tp ", setup.tp);
  if (setup.dp > 1) text += cat(" --dp ", setup.dp);
  if (setup.mtp) text += " --speculative-algorithm EAGLE";
  if (setup.context < config.max_position_embeddings)
    text += cat(" --context-length ", setup.context);
  if (concurrency_of_copy(setup) > kDefaultRunningRequests)
    text += cat(" --max-running-requests ", concurrency_of_copy(setup));
  text += cat(" --reasoning-parser ", setup.reasoning_parser ? "glm45" : "none");
  return text + cat(" --tool-call-parser ", setup.tool_call_parser ? "glm47" : "none");
}

}  // namespace

Proposal propose(const Setup& setup, const Machine& machine) {
  const ModelConfig config = glm_4_7_flash_config();
  Proposal proposal;
  proposal.not_yet = setup.not_yet;
  check_parallel(config, setup, proposal);
  check_context(config, setup, proposal);
  if (proposal.problems.empty()) plan(config, setup, proposal);
  if (proposal.problems.empty()) expect(config, setup, proposal);
  if (proposal.problems.empty()) note(setup, machine, proposal);
  if (proposal.problems.empty()) proposal.command = command_of(config, setup);
  return proposal;
}

std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

}  // namespace glint
