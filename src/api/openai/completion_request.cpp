// The body of /v1/completions as our types.

#include <algorithm>

#include "api/chat_request.h"
#include "api/openai/completions.h"
#include "api/prompts.h"

namespace glint {
namespace {

// Texts are echoed, and log-probabilities named by them.
Result<void> parse_texts(const RequestFields& fields, const ServerContext& context,
                         CompletionRequest& request) {
  request.echo = TRY(fields.boolean("echo")).value_or(false);
  if (const auto count = TRY(fields.integer("logprobs", 0, kMaxLogprobs)))
    request.logprobs = static_cast<int>(*count);
  if (const auto count = TRY(fields.integer("prompt_logprobs", 0, kMaxLogprobs)))
    request.prompt_logprobs = static_cast<int>(*count);
  if (context.tokenizer) return {};
  for (const char* name : {"echo", "logprobs", "prompt_logprobs"}) {
    const Json* value = fields.find(name);
    if (value != nullptr && *value != Json(false))
      return fields.error(name, cat("This server has no tokenizer: leave ", name, " out."));
  }
  return {};
}

// Of best_of answers the n likeliest are sent.
Result<void> parse_counts(const RequestFields& fields, CompletionRequest& request) {
  request.n = request.params.n;
  const auto best_of = TRY(fields.integer("best_of", 1, kMaxChoices));
  if (best_of && *best_of < request.n)
    return fields.error("best_of", cat("best_of is ", *best_of, ", less than n, ", request.n, "."));
  if (best_of) request.params.n = static_cast<int>(*best_of);
  if (request.params.n > request.n && request.stream)
    return fields.error("best_of", cat("best_of is ", *best_of, ", more than n, ", request.n,
                                       ": what is best is known at the end. Expected stream "
                                       "false."));
  return {};
}

Result<void> parse_delivery(const RequestFields& fields, CompletionRequest& request) {
  request.stream = TRY(fields.boolean("stream")).value_or(false);
  const StreamOptions options = TRY(parse_stream_options(fields));
  request.include_usage = options.include_usage;
  request.continuous_usage = options.continuous_usage;
  request.extras = TRY(parse_extras(fields));
  if (request.stream && request.prompt_logprobs) return prompt_logprobs_in_stream(fields);
  return {};
}

// best_of compares log-probabilities whether they are sent or not.
int num_logprobs(const CompletionRequest& request) {
  if (request.logprobs) return *request.logprobs;
  return request.params.n > request.n ? 0 : -1;
}

}  // namespace

Result<CompletionRequest> parse_completion_request(const Json& body, ServerContext& context) {
  const RequestFields fields(body);
  CompletionRequest request;
  request.model = TRY(parse_name(fields, "model")).value_or(context.options.served_model_name);
  request.id = TRY(parse_name(fields, "rid")).value_or("cmpl-" + context.ids.next_hex(32));
  const std::optional<RawPrompts> prompts =
      TRY(find_prompts(fields, "prompt", PromptKind::kTextOrIds, context));
  if (!prompts) return fields.refuse("prompt", "text or token ids");
  request.params = TRY(parse_generation_params(fields, Dialect::kOpenAi, context));
  TRY(parse_scheduling(fields, request.params));
  TRY(parse_texts(fields, context, request));
  TRY(parse_delivery(fields, request));
  TRY(parse_counts(fields, request));
  request.params.sampling.num_logprobs = num_logprobs(request);
  TRY(check_num_answers(prompts->prompts.size() * static_cast<size_t>(request.params.n), "n"));
  TRY(check_response_format(fields));
  TRY(refuse_sglang_only(fields));
  TRY(refuse_unavailable(fields, {"custom_logit_processor"}, kNoCode));
  request.prompts = TRY(encode_prompts(*prompts, context));
  request.echoes.resize(request.prompts.size());
  for (size_t i = 0; request.echo && i < request.prompts.size(); ++i)
    request.echoes[i] = context.tokenizer->decode(request.prompts[i], false);
  return request;
}

}  // namespace glint
