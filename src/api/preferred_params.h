#pragma once

// --preferred-sampling-params: what this server takes for sampling fields that a request leaves
// out.

#include <array>
#include <memory>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace glint {

// How sampling fields are spelled: OpenAI's (max_tokens, min_tokens, seed, stop), its Responses'
// (max_output_tokens), SGLang's sampling_params (max_new_tokens, min_new_tokens, sampling_seed),
// Anthropic's (stop_sequences) and Ollama's options (num_predict, repeat_penalty).
enum class Dialect { kOpenAi, kResponses, kNative, kAnthropic, kOllama };
inline constexpr int kNumDialects = 5;

struct PreferredParams {
  // An object under the dialect's names; null: none.
  const Json* in(Dialect dialect) const { return spelled[static_cast<size_t>(dialect)].get(); }

  std::array<std::shared_ptr<const Json>, kNumDialects> spelled{};  // by Dialect
};

// `json_text` is an object with fields of /generate's sampling_params. The Error
// (kInvalidRequest) names what is no JSON, an unknown field, or a value that a request could not
// have either.
Result<PreferredParams> parse_preferred_params(std::string_view json_text);

}  // namespace glint
