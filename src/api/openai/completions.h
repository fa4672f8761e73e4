#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/generation_params.h"
#include "api/openai/extras.h"
#include "api/prompt_scores.h"
#include "api/server_context.h"
#include "api/stream.h"
#include "http/http.h"

namespace glint {

struct CompletionRequest {
  std::string model;
  std::string id;
  std::vector<SharedTokens> prompts;
  std::vector<std::string> echoes;  // each prompt's text, with echo
  GenerationParams params;          // n is best_of: as many answers are generated
  int n = 1;                        // and so many of them sent
  bool echo = false;
  std::optional<int> logprobs;         // k: the k likeliest ones', too
  std::optional<int> prompt_logprobs;  // vLLM's
  Extras extras;
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;

  size_t num_choices() const { return prompts.size() * static_cast<size_t>(params.n); }
  size_t prompt_of(size_t choice) const { return choice / static_cast<size_t>(params.n); }
  bool scores_prompts() const { return (echo && logprobs) || prompt_logprobs; }
  size_t num_score_pieces(size_t prompt) const {
    return scores_prompts() ? glint::num_score_pieces(prompts[prompt].size()) : 0;
  }
};

Result<CompletionRequest> parse_completion_request(const Json& body, ServerContext& context);

// For the choices of `request`, prompt-major, and then the score_requests() of each prompt.
std::unique_ptr<AnswerWriter> make_completion_writer(ServerContext& context,
                                                     std::shared_ptr<Exchange> exchange,
                                                     CompletionRequest request);

// POST /v1/completions
void handle_completions(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
