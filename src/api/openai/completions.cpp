#include "api/openai/completions.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/errors.h"
#include "api/request_fields.h"

namespace glint {
namespace {

constexpr int kDefaultMaxTokens = 16;  // OpenAI's API reference, /v1/completions

Result<void> add_scores(const CompletionRequest& request, const ServerContext& context,
                        std::vector<GenerateRequest>& requests) {
  const char* param = request.prompt_logprobs ? "prompt_logprobs" : "echo";
  const int num_logprobs = std::max(request.prompt_logprobs.value_or(0),
                                    request.echo ? request.logprobs.value_or(0) : 0);
  size_t num_pieces = 0, num_tokens = 0;
  for (size_t i = 0; i < request.prompts.size(); ++i) {
    num_pieces += request.num_score_pieces(i);
    num_tokens += request.prompts[i].size();
  }
  TRY(check_num_sequences(requests.size(), num_pieces, param));
  const auto of_each = static_cast<size_t>((1 + num_logprobs) * request.n);
  TRY(check_num_scores(num_tokens * of_each, param));
  for (const SharedTokens& ids : request.prompts) {
    TRY(check_have_tokens(std::span<const TokenId>(ids).subspan(1), param, context));
    std::ranges::move(score_requests(ids, 0, num_logprobs, request.params),
                      std::back_inserter(requests));
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
  if (request.scores_prompts()) TRY(add_scores(request, context, requests));
  const std::vector<TextOptions> texts = text_options(request, requests.size());
  const std::string rid = request.id;
  return Answer::start(context, exchange, std::move(requests), texts, {rid},
                       make_completion_writer(context, exchange, std::move(request)));
}

}  // namespace

void handle_completions(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> started = start(context, exchange);
  if (!started) exchange->respond(error_response(started.error()));
}

}  // namespace glint
