#pragma once

// One request being computed, as the scheduler sees it.

#include <cstdint>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "kv/prefix_tree.h"
#include "scheduler/shared_tokens.h"

namespace glint {

using SequenceId = uint64_t;

// What the scheduler is told of a request.
struct SequenceSpec {
  SequenceId id = 0;
  SharedTokens prompt;                  // at least one id
  int max_tokens = 0;                   // as admitted (scheduler/admission.h); 0: prefill only
  std::vector<TokenId> stop_token_ids;  // each ends the sequence
  int priority = 0;
  uint64_t cache_namespace = 0;
  bool use_prefix_cache = true;
};

struct Sequence {
  SequenceId id = 0;
  SharedTokens prompt;          // until it first starts, as others may have it too
  std::vector<TokenId> tokens;  // from then on: the prompt, then the output as far as it is known
  int num_prompt = 0;
  int max_tokens = 0;
  std::vector<TokenId> stop_token_ids;
  int priority = 0;
  uint64_t cache_namespace = 0;
  bool use_prefix_cache = true;

  uint64_t arrival = 0;   // its place in line, kept over retractions
  int num_overtaken = 0;  // later arrivals that went ahead of it (kLpm)

  // While it runs:
  bool running = false;
  bool starts = false;        // nothing was planned for it yet since it took its slot
  int slot = -1;              // sampling state, [0, max_running_requests)
  int cached_len = 0;         // rows in its pages, those that submitted steps will write included
  int num_in_flight = 0;      // tokens that submitted steps will sample
  std::vector<PageId> pages;  // for cached_len rows and those that are due
  PrefixTree::NodeId locked = PrefixTree::kNone;
  bool prompt_shared = false;  // its prompt's whole pages are in the prefix tree

  int cached_tokens = 0;  // of the prompt, found in the prefix tree when it first started
  int num_retractions = 0;
  bool was_started = false;

  std::span<const TokenId> known() const {
    if (was_started) return tokens;
    return prompt;
  }
  int num_output() const { return was_started ? static_cast<int>(tokens.size()) - num_prompt : 0; }
  // With the tokens in flight, which stand at the end and are not known yet.
  int len() const { return num_prompt + num_output() + num_in_flight; }
  int num_due() const { return len() - cached_len; }  // rows to compute before the next token
  // Rows whose logits came back finite: the last known token's row may not be computed yet.
  int num_verified() const { return num_output() > 0 ? num_prompt + num_output() - 1 : 0; }
  // A prefill-only sequence samples a token too, and drops it: its logits tell whether the rows are
  // good enough to share.
  int max_samples() const { return max_tokens > 0 ? max_tokens : 1; }
  bool all_sampled() const { return num_output() + num_in_flight >= max_samples(); }
  // One generated row is due: the usual step. Everything else is chunked work within a budget.
  bool decodes() const { return num_due() == 1 && cached_len >= num_prompt; }
};

}  // namespace glint
