#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/generation_params.h"
#include "api/prompt_scores.h"
#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// Which log-probabilities an answer has.
struct LogprobOptions {
  bool wanted = false;         // return_logprob
  int num_top = 0;             // top_logprobs_num
  std::vector<TokenId> ids{};  // token_ids_logprob
  // Where the prompt's begin, in it. Nothing: only the output's.
  std::optional<int> prompt_begin{};
};

// One entry of a /generate request: its prompt with what is its own.
struct NativePrompt {
  SharedTokens ids;
  GenerationParams params;
  LogprobOptions logprobs;
  int stream_interval = 1;  // tokens in an event of a stream at least, after its first
  std::string id;           // rid, and the response's meta_info.id

  size_t num_score_pieces() const {
    const std::optional<int>& first = logprobs.prompt_begin;
    return first ? glint::num_score_pieces(ids.size(), static_cast<size_t>(*first)) : 0;
  }
  // Log-probabilities of the prompt's tokens, in all answers together.
  size_t num_scores() const {
    if (!logprobs.prompt_begin) return 0;
    const size_t num_tokens = ids.size() - static_cast<size_t>(*logprobs.prompt_begin);
    const size_t of_each = 1 + static_cast<size_t>(logprobs.num_top) + logprobs.ids.size();
    return num_tokens * of_each * static_cast<size_t>(params.n);
  }
  std::vector<GenerateRequest> score_requests() const {
    if (!logprobs.prompt_begin) return {};
    return glint::score_requests(ids, static_cast<size_t>(*logprobs.prompt_begin), logprobs.num_top,
                                 params);
  }
};

struct NativeRequest {
  std::vector<NativePrompt> prompts;
  std::string prompt_field;  // text or input_ids
  bool is_batch = false;
  bool stream = false;
  bool incremental = false;  // events hold what is new instead of all so far
  bool return_text_in_logprobs = false;
};

Result<NativeRequest> parse_native_request(const Json& body, ServerContext& context);

// POST and PUT /generate: SGLang's native endpoint.
void handle_generate(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
