#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/generation_params.h"
#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// One entry of a /generate request: its prompt with its own sampling_params.
struct NativePrompt {
  SharedTokens ids;
  // With logprob_start_len in the prompt: its tokens behind that one, which `ids` then ends with.
  // The engine is made to give them as the answer, one a step, and their log-probabilities are the
  // prompt's.
  std::optional<SharedTokens> forced{};
  GenerationParams params;
  std::string id;  // the response's meta_info.id
};

struct NativeRequest {
  std::vector<NativePrompt> prompts;
  std::string prompt_field;  // text or input_ids
  bool is_batch = false;
  bool stream = false;
  bool incremental = false;  // events hold what is new instead of all so far
  bool return_logprob = false;
  int top_logprobs_num = 0;
  bool return_text_in_logprobs = false;
};

Result<NativeRequest> parse_native_request(const Json& body, ServerContext& context);

// POST and PUT /generate: SGLang's native endpoint.
void handle_generate(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
