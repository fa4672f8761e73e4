#pragma once

// Pieces of JSON that OpenAI's endpoints share.

#include <string>
#include <vector>

#include "api/choice_text.h"
#include "api/openai/extras.h"
#include "base/json.h"
#include "engine/event.h"
#include "tokenizer/tokenizer.h"

namespace glint {

// Adds up the usage of an answer's choices, prompt-major. A prompt counts once for its n choices.
class UsageSum {
 public:
  UsageSum(size_t num_choices, int n) : choices_(num_choices), n_(n) {}

  void set(int choice, const Usage& usage, int reasoning_tokens = 0);
  Json to_json() const;
  int64_t cached_tokens() const;

 private:
  struct ChoiceUsage {
    Usage usage;
    int reasoning_tokens = 0;
  };
  std::vector<ChoiceUsage> choices_;
  int n_;
};

const char* finish_reason(FinishReason reason);  // "stop", "length", "abort", "error"
Json matched_stop(const ChoiceFinish& finish);   // an id, a string, or null

// vLLM's stop_reason: what of the request's stops ended the choice; null at a natural end.
Json stop_reason(const ChoiceFinish& finish, const std::vector<TokenId>& natural_ends);

// A token as text: cut characters become U+FFFD.
std::string token_text(const Tokenizer& tokenizer, TokenId id);

// How log-probabilities name a token: by its text, or as "token_id:7".
enum class TokenNames { kText, kIds };
TokenNames token_names(const Extras& extras);

// One entry of a chat's logprobs.content: {"token", "logprob", "bytes", "top_logprobs"}.
Json chat_logprob(const OutputToken& token, const Tokenizer& tokenizer, TokenNames names);

// The logprobs of a text completion: {"text_offset", "token_logprobs", "tokens", "top_logprobs"}.
// A token without log-probabilities, a prompt's first, has null; of the likeliest at most `num_top`
// are shown. `offset` is where the tokens' text begins, in characters; it is moved past them.
Json completion_logprobs(const std::vector<OutputToken>& tokens, int num_top,
                         const Tokenizer& tokenizer, TokenNames names, size_t& offset);

// vLLM's prompt_logprobs, of a prompt's tokens but its first: null for that, then of each
// {"7": {"logprob", "rank", "decoded_token"}, …}, its own and at most `num_top` of the likeliest.
// Its own rank is known if it is among those.
Json prompt_logprobs(const std::vector<const OutputToken*>& tokens, int num_top,
                     const Tokenizer& tokenizer);

// A float with as many digits as tell it from its neighbours: -0.1, not -0.10000000149011612.
double short_double(float value);

std::string json_quoted(std::string_view text);  // as a JSON string

}  // namespace glint
