#include "api/openai/completions.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "api/chat_request.h"
#include "api/errors.h"
#include "api/openai/shapes.h"
#include "api/prompts.h"
#include "api/stream.h"
#include "http/sse.h"

namespace glint {
namespace {

constexpr int kDefaultMaxTokens = 16;  // OpenAI's API reference, /v1/completions

Result<bool> parse_echo(const RequestFields& fields, const ServerContext& context,
                        const GenerationParams& params) {
  if (!TRY(fields.boolean("echo")).value_or(false)) return false;
  if (params.sampling.num_logprobs >= 0)
    return fields.error("echo", "echo with logprobs is not available yet: leave one out.");
  if (!context.tokenizer)
    return fields.error("echo", "This server has no tokenizer: leave echo out.");
  return true;
}

Result<void> parse_logprobs(const RequestFields& fields, const ServerContext& context,
                            CompletionRequest& request) {
  const auto logprobs = TRY(fields.integer("logprobs", 0, kMaxLogprobs));
  if (!logprobs) return {};
  if (!context.tokenizer)
    return fields.error("logprobs", "This server has no tokenizer: leave logprobs out.");
  request.params.sampling.num_logprobs = static_cast<int>(*logprobs);
  return {};
}

Result<void> parse_delivery(const RequestFields& fields, CompletionRequest& request) {
  request.stream = TRY(fields.boolean("stream")).value_or(false);
  const StreamOptions options = TRY(parse_stream_options(fields));
  request.include_usage = options.include_usage;
  request.continuous_usage = options.continuous_usage;
  return {};
}

// Both forms of the answer: chunks hold what a choice grew by, the whole answer all of it.
class CompletionWriter final : public AnswerWriter {
 public:
  CompletionWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                   const CompletionRequest& request)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(request),
        choices_(request.prompts.size() * static_cast<size_t>(request.params.n)),
        usage_(choices_.size(), request.params.n),
        created_(unix_time_s()) {}

  void begin() override {
    if (request_.stream) exchange_->begin_stream(200, "text/event-stream");
  }
  bool write(int choice_index, ChoiceDelta delta) override;
  void ping() override {
    if (request_.stream) exchange_->write(std::string(kSsePing));
  }
  void end() override;
  void fail(const Error& error) override;

 private:
  struct Choice {
    bool began = false;
    ChoiceDelta unsent;
    size_t offset = 0;  // characters sent
  };
  Json choice_json(size_t index);
  Json answer(Json choices) const;
  void send(const Json& event) { exchange_->write(sse_event(to_json_text(event))); }

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  CompletionRequest request_;
  std::vector<Choice> choices_;
  UsageSum usage_;
  int64_t created_;
};

bool CompletionWriter::write(int choice_index, ChoiceDelta delta) {
  const auto index = static_cast<size_t>(choice_index);
  Choice& choice = choices_[index];
  usage_.set(choice_index, delta.usage);
  if (!std::exchange(choice.began, true))
    choice.unsent.text = request_.echoes[index / static_cast<size_t>(request_.params.n)];
  choice.unsent.append(std::move(delta));
  const bool complete = choice.unsent.finish.has_value();
  if (request_.stream && (complete || !choice.unsent.text.empty())) {
    Json chunk = answer(Json::array({choice_json(index)}));
    if (request_.continuous_usage) chunk["usage"] = usage_.to_json();
    send(chunk);
  }
  return complete;
}

Json CompletionWriter::choice_json(size_t index) {
  Choice& choice = choices_[index];
  const ChoiceDelta delta = std::exchange(choice.unsent, {});
  Json logprobs = nullptr, reason = nullptr, matched = nullptr;
  if (request_.params.sampling.num_logprobs >= 0)
    logprobs = completion_logprobs(delta.tokens, *context_.tokenizer, choice.offset);
  if (delta.finish) {
    reason = finish_reason(delta.finish->reason);
    matched = matched_stop(*delta.finish);
  }
  return Json{{"index", index},
              {"text", delta.text},
              {"logprobs", std::move(logprobs)},
              {"finish_reason", std::move(reason)},
              {"matched_stop", std::move(matched)}};
}

Json CompletionWriter::answer(Json choices) const {
  return Json{{"id", request_.id},
              {"object", "text_completion"},
              {"created", created_},
              {"model", request_.model},
              {"choices", std::move(choices)}};
}

void CompletionWriter::end() {
  if (!request_.stream) {
    Json choices = Json::array();
    for (size_t i = 0; i < choices_.size(); ++i) choices.push_back(choice_json(i));
    Json body = answer(std::move(choices));
    body["usage"] = usage_.to_json();
    exchange_->respond({.status = 200, .body = to_json_text(body)});
    return;
  }
  if (request_.include_usage) {
    Json chunk = answer(Json::array());
    chunk["usage"] = usage_.to_json();
    send(chunk);
  }
  exchange_->write(sse_event("[DONE]"));
  exchange_->end_stream();
}

void CompletionWriter::fail(const Error& error) {
  if (!request_.stream) return exchange_->respond(error_response(error));
  exchange_->write(sse_event(stream_error(error)) + sse_event("[DONE]"));
  exchange_->end_stream();
}

Result<void> start(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& http = exchange->request();
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  const CompletionRequest request = TRY(parse_completion_request(body, context));
  std::vector<GenerateRequest> requests =
      TRY(make_requests(request.prompts, request.params, kDefaultMaxTokens, "prompt", context));
  return Answer::start(context, exchange, std::move(requests), {request.params.text}, {request.id},
                       std::make_unique<CompletionWriter>(context, exchange, request));
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
  TRY(check_num_answers(prompts->prompts.size() * static_cast<size_t>(request.params.n), "n"));
  TRY(parse_scheduling(fields, request.params));
  TRY(parse_logprobs(fields, context, request));
  const bool echo = TRY(parse_echo(fields, context, request.params));
  if (TRY(fields.integer("best_of", 1, kMaxChoices)).value_or(1) > request.params.n)
    return fields.error("best_of", "best_of above n is not available: leave it out.");
  TRY(check_response_format(fields));
  TRY(refuse_unavailable(fields, {"lora_path", "return_hidden_states", "prompt_logprobs"}));
  TRY(parse_delivery(fields, request));
  request.prompts = TRY(encode_prompts(*prompts, context));
  request.echoes.resize(request.prompts.size());
  for (size_t i = 0; echo && i < request.prompts.size(); ++i)
    request.echoes[i] = context.tokenizer->decode(request.prompts[i], false);
  return request;
}

void handle_completions(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> started = start(context, exchange);
  if (!started) exchange->respond(error_response(started.error()));
}

}  // namespace glint
