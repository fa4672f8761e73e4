#pragma once

// For tests: the real Scheduler with a fake model, and its plans as text.
//
// A prompt is a string with one token per character; every sampled token is '.', unless say() set
// another. "prefill b[4,7) | decode a" means that rows 4..6 of b's prompt are computed while a
// decodes one; "recompute b[7,9)" are generated rows of a sequence that had given way, and
// "retract b" says that b did. One letter names a sequence.

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "scheduler/scheduler.h"

namespace glint {

struct SubmitOptions {
  int max_tokens = 1;
  int priority = 0;
  std::string stop{};
  uint64_t cache_namespace = 0;
  bool use_prefix_cache = true;
};

class SchedulerHarness {
 public:
  explicit SchedulerHarness(const SchedulerLimits& limits) : scheduler_(limits) {}

  void submit(char name, const std::string& prompt, const SubmitOptions& options) {
    scheduler_.add({.id = static_cast<SequenceId>(name),
                    .prompt = std::vector<TokenId>(prompt.begin(), prompt.end()),
                    .max_tokens = options.max_tokens,
                    .stop_token_ids = {options.stop.begin(), options.stop.end()},
                    .priority = options.priority,
                    .cache_namespace = options.cache_namespace,
                    .use_prefix_cache = options.use_prefix_cache});
  }
  void cancel(char name) { scheduler_.cancel(static_cast<SequenceId>(name)); }
  // The next tokens of `name`; '!' stands for NaN logits.
  void say(char name, const std::string& tokens) { to_say_[name] = tokens; }

  // Plans a step and commits it at once.
  std::string step() {
    std::string text = submit_step();
    if (!in_flight_.empty()) collect_step();
    return text;
  }
  // The two halves, for run-ahead.
  std::string submit_step() {
    Plan plan = scheduler_.plan();
    std::string text = to_text(plan);
    if (!plan.empty()) in_flight_.push_back(std::move(plan));
    return text;
  }
  // "a:stop" for every sequence that ended.
  std::string collect_step() {
    const Plan plan = std::move(in_flight_.front());
    in_flight_.pop_front();
    std::deque<TokenId> ids;
    std::vector<SampledChunk> sampled;
    for (const Chunk& chunk : plan.chunks) {
      if (!chunk.samples) continue;
      ids.push_back(next_token(static_cast<char>(chunk.sequence)));
      sampled.push_back({.tokens = {&ids.back(), 1}, .bad_numbers = ids.back() == '!'});
    }
    std::string ended;
    for (const Outcome& outcome : scheduler_.commit(plan, sampled)) {
      if (outcome.num_tokens > 0)
        output_[static_cast<char>(outcome.sequence)] += static_cast<char>(ids[outcome.result]);
      if (outcome.end) ended += cat(ended.empty() ? "" : " ", end_text(outcome));
    }
    return ended;
  }

  bool here(char name) const { return scheduler_.find(static_cast<SequenceId>(name)) != nullptr; }
  std::string output(char name) { return output_[name]; }
  std::string pages() const {
    const int free = scheduler_.pool().num_free();
    const int cached = scheduler_.tree().num_evictable();
    return cat(scheduler_.pool().num_pages() - free - cached, " used, ", cached, " cached, ", free,
               " free");
  }
  Scheduler& scheduler() { return scheduler_; }

 private:
  static std::string end_text(const Outcome& outcome) {
    const char* reason[] = {"stop", "length", "bad numbers"};
    return cat(static_cast<char>(outcome.sequence), ":", reason[static_cast<int>(*outcome.end)]);
  }

  TokenId next_token(char name) {
    std::string& tokens = to_say_[name];
    if (tokens.empty()) return '.';
    const char token = tokens.front();
    tokens.erase(0, 1);
    return token;
  }

  std::string to_text(const Plan& plan) const {
    std::map<std::string, std::string> kinds;  // in the order in which they are printed
    for (const Chunk& chunk : plan.chunks) {
      const char name = static_cast<char>(chunk.sequence);
      const std::string rows =
          cat(name, "[", chunk.cached_len, ",", chunk.cached_len + chunk.extend_len, ")");
      if (chunk.form == ChunkForm::kPrompt) kinds["1prefill"] += cat(" ", rows);
      if (chunk.form == ChunkForm::kDecode && (chunk.extend_len > 1 || !chunk.samples))
        kinds["2recompute"] += cat(" ", rows);
      if (chunk.form == ChunkForm::kDecode && chunk.extend_len == 1 && chunk.samples)
        kinds["3decode"] += cat(" ", name);
    }
    for (const SequenceId id : plan.retracted) kinds["4retract"] += cat(" ", static_cast<char>(id));
    std::string text;
    for (const auto& [kind, names] : kinds)
      text += cat(text.empty() ? "" : " | ", kind.substr(1), names);
    return text;
  }

  Scheduler scheduler_;
  std::deque<Plan> in_flight_;
  std::map<char, std::string> to_say_;
  std::map<char, std::string> output_;
};

}  // namespace glint
