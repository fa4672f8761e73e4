#include "api/native/generate.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "api/errors.h"
#include "api/openai/shapes.h"
#include "api/request_fields.h"
#include "api/stream.h"
#include "http/sse.h"

namespace glint {
namespace {

constexpr int kDefaultMaxNewTokens = 128;  // SGLang 0.5.7, SamplingParams

Json finish_json(const ChoiceFinish& finish, int completion_tokens) {
  Json json = {{"type", finish_reason(finish.reason)}};
  if (finish.reason == FinishReason::kStop) json["matched"] = matched_stop(finish);
  if (finish.reason == FinishReason::kLength) json["length"] = completion_tokens;
  if (finish.reason == FinishReason::kAbort) json["message"] = finish.message;
  return json;
}

// The answer, or the events of its stream: text and ids are all so far, unless incremental.
class NativeWriter final : public AnswerWriter {
 public:
  NativeWriter(ServerContext& context, std::shared_ptr<Exchange> exchange, NativeRequest request)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(std::move(request)),
        started_s_(context.clock.now_s()) {
    for (size_t i = 0; i < request_.prompts.size(); ++i)
      choices_.insert(choices_.end(), static_cast<size_t>(request_.prompts[i].params.n),
                      Choice{.prompt = i});
  }

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
    size_t prompt = 0;
    ChoiceDelta answer{};  // all so far, or what is new
  };
  bool is_list() const { return request_.is_batch || choices_.size() > 1; }
  Json choice_json(const Choice& choice) const;
  Json meta_info(const Choice& choice) const;
  void add_logprobs(const Choice& choice, Json& meta) const;
  Json logprob_json(TokenId id, std::optional<float> logprob) const;

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  NativeRequest request_;
  std::vector<Choice> choices_;
  double started_s_;
};

bool NativeWriter::write(int choice_index, ChoiceDelta delta) {
  Choice& choice = choices_[static_cast<size_t>(choice_index)];
  choice.answer.append(std::move(delta));
  const bool complete = choice.answer.finish.has_value();
  if (request_.stream && (complete || !choice.answer.tokens.empty())) {
    Json event = choice_json(choice);
    if (is_list()) event["index"] = choice_index;
    exchange_->write(sse_event(to_json_text(event)));
    if (request_.incremental) choice.answer = {};
  }
  return complete;
}

// A prompt that was scored has no answer: the forced tokens are the prompt's.
Json NativeWriter::choice_json(const Choice& choice) const {
  const bool is_scored = request_.prompts[choice.prompt].forced.has_value();
  Json ids = Json::array();
  if (!is_scored)
    for (const OutputToken& token : choice.answer.tokens) ids.push_back(token.id);
  return Json{{"text", is_scored ? "" : choice.answer.text},
              {"output_ids", std::move(ids)},
              {"meta_info", meta_info(choice)}};
}

Json NativeWriter::meta_info(const Choice& choice) const {
  const ChoiceDelta& answer = choice.answer;
  const NativePrompt& prompt = request_.prompts[choice.prompt];
  const Usage& usage = answer.usage;
  const int num_output = prompt.forced ? 0 : usage.completion_tokens;
  Json meta = {{"id", prompt.id}, {"finish_reason", nullptr}};
  if (answer.finish) meta["finish_reason"] = finish_json(*answer.finish, num_output);
  meta["prompt_tokens"] = usage.prompt_tokens + usage.completion_tokens - num_output;
  meta["completion_tokens"] = num_output;
  meta["cached_tokens"] = usage.cached_tokens;
  meta["num_retractions"] = usage.num_retractions;
  meta["weight_version"] = "default";
  if (request_.return_logprob) add_logprobs(choice, meta);
  if (answer.finish) meta["e2e_latency"] = context_.clock.now_s() - started_s_;
  return meta;
}

void NativeWriter::add_logprobs(const Choice& choice, Json& meta) const {
  const NativePrompt& prompt = request_.prompts[choice.prompt];
  Json chosen = Json::array(), tops = Json::array();
  if (prompt.forced) {  // its first token: nothing comes before it
    chosen.push_back(logprob_json(prompt.ids.data()[prompt.ids.size() - 1], std::nullopt));
    tops.push_back(nullptr);
  }
  for (const OutputToken& token : choice.answer.tokens) {
    const TokenLogprobs values = token.logprobs.value_or(TokenLogprobs{});
    chosen.push_back(logprob_json(token.id, values.chosen));
    Json top = Json::array();
    for (const auto& [id, logprob] : values.top) top.push_back(logprob_json(id, logprob));
    tops.push_back(std::move(top));
  }
  const std::string side = prompt.forced ? "input" : "output";
  const std::string other = prompt.forced ? "output" : "input";
  meta[side + "_token_logprobs"] = std::move(chosen);
  meta[other + "_token_logprobs"] = Json::array();
  if (request_.top_logprobs_num == 0) return;
  meta[side + "_top_logprobs"] = std::move(tops);
  meta[other + "_top_logprobs"] = Json::array();
}

Json NativeWriter::logprob_json(TokenId id, std::optional<float> logprob) const {
  Json text = nullptr;
  if (request_.return_text_in_logprobs && context_.tokenizer)
    text = token_text(*context_.tokenizer, id);
  return Json::array({logprob ? Json(short_double(*logprob)) : Json(nullptr), id, std::move(text)});
}

void NativeWriter::end() {
  if (request_.stream) {
    exchange_->write(sse_event("[DONE]"));
    return exchange_->end_stream();
  }
  Json answers = Json::array();
  for (const Choice& choice : choices_) answers.push_back(choice_json(choice));
  exchange_->respond({.status = 200, .body = to_json_text(is_list() ? answers : answers[0])});
}

void NativeWriter::fail(const Error& error) {
  if (!request_.stream) return exchange_->respond(error_response(error));
  exchange_->write(sse_event(stream_error(error)) + sse_event("[DONE]"));
  exchange_->end_stream();
}

Result<void> start(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& http = exchange->request();
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  NativeRequest request = TRY(parse_native_request(body, context));
  std::vector<GenerateRequest> requests;
  std::vector<TextOptions> texts;
  for (const NativePrompt& prompt : request.prompts) {
    auto more = TRY(make_requests({prompt.ids}, prompt.params, kDefaultMaxNewTokens,
                                  request.prompt_field, context));
    for (GenerateRequest& one : more) {
      if (prompt.forced) one.triggers = {{.after_tokens = 0, .forced_ids = prompt.forced->copy()}};
      requests.push_back(std::move(one));
      texts.push_back(prompt.params.text);
    }
  }
  return Answer::start(context, exchange, std::move(requests), texts,
                       std::make_unique<NativeWriter>(context, exchange, std::move(request)));
}

}  // namespace

void handle_generate(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> started = start(context, exchange);
  if (!started) exchange->respond(error_response(started.error()));
}

}  // namespace glint
