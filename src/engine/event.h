#pragma once

// What the engine answers: one event per request and step in which something happened.

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/token_id.h"

namespace glint {

struct TokenLogprobs {
  float chosen = 0;                            // natural logarithm
  std::vector<std::pair<TokenId, float>> top;  // most likely first
  std::vector<float> of_ids;                   // of SamplingParams::logprob_ids, in their order
};

struct OutputToken {
  TokenId id = 0;
  std::optional<TokenLogprobs> logprobs;
};

enum class FinishReason {
  kStop,    // a stop id; it is the last of `tokens` and is not text
  kLength,  // max_tokens, or the end of context or pool
  kAbort,   // cancelled, or the server shuts down; `message` says so
  kError,   // numbers went bad; so does it
};

struct Finish {
  FinishReason reason = FinishReason::kStop;
  std::optional<TokenId> matched_stop;
  std::string message;
};

struct Usage {
  int prompt_tokens = 0;
  int cached_tokens = 0;      // of the prompt, taken from the prefix cache
  int completion_tokens = 0;  // so far, a stop id included
  int num_retractions = 0;
};

// When things happened to a request, on the engine's clock; 0: not yet.
struct RequestTimes {
  double submitted_s = 0;
  double started_s = 0;      // the scheduler gave it a slot for the first time
  double first_token_s = 0;  // collected
  double last_token_s = 0;   // so far
};

struct TokenEvent {
  std::vector<OutputToken> tokens;
  Usage usage;
  RequestTimes times;
  std::optional<Finish> finish;  // set on the request's last event
};

// Called on the engine thread; must not block, nor call the engine except submit() and cancel().
using EventSink = std::function<void(TokenEvent&&)>;

}  // namespace glint
