#include "api/openai/completions.h"

#include <algorithm>
#include <utility>

#include "api/errors.h"
#include "api/prompt_scoring.h"
#include "api/request_fields.h"

namespace glint {
namespace {

constexpr int kDefaultMaxTokens = 16;  // OpenAI's API reference, /v1/completions

Result<void> add_scoring(const CompletionRequest& request, const ServerContext& context,
                         std::vector<GenerateRequest>& requests) {
  const char* param = request.prompt_logprobs ? "prompt_logprobs" : "echo";
  const int num_logprobs = std::max(request.prompt_logprobs.value_or(0),
                                    request.echo ? request.logprobs.value_or(0) : 0);
  for (const size_t i : request.scored_prompts()) {
    const std::span<const TokenId> ids = request.prompts[i];
    TRY(check_scored(ids.subspan(1), param, context));
    requests.push_back(scoring_request(ids, 1, ids.size(), num_logprobs, request.params));
  }
  return {};
}

// The scores are no answer of the model's: nothing stops them.
std::vector<TextOptions> text_options(const CompletionRequest& request, size_t num_requests) {
  std::vector<TextOptions> texts(num_requests);
  std::fill_n(texts.begin(), request.num_choices(), request.params.text);
  return texts;
}

Result<void> start(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& http = exchange->request();
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  CompletionRequest request = TRY(parse_completion_request(body, context));
  std::vector<GenerateRequest> requests =
      TRY(make_requests(request.prompts, request.params, kDefaultMaxTokens, "prompt", context));
  if (request.scores_prompts()) TRY(add_scoring(request, context, requests));
  const std::vector<TextOptions> texts = text_options(request, requests.size());
  const std::string rid = request.id;
  return Answer::start(context, exchange, std::move(requests), texts, {rid},
                       make_completion_writer(context, exchange, std::move(request)));
}

}  // namespace

std::vector<size_t> CompletionRequest::scored_prompts() const {
  std::vector<size_t> scored;
  for (size_t i = 0; scores_prompts() && i < prompts.size(); ++i)
    if (prompts[i].size() > 1) scored.push_back(i);
  return scored;
}

void handle_completions(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> started = start(context, exchange);
  if (!started) exchange->respond(error_response(started.error()));
}

}  // namespace glint
