#include "api/ollama/ollama_writer.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "api/chat_output.h"
#include "api/ollama/shapes.h"
#include "api/openai/shapes.h"

namespace glint {
namespace {

int64_t nanoseconds(double seconds) { return std::llround(seconds * 1e9); }

class OllamaWriter final : public AnswerWriter {
 public:
  OllamaWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
               const OllamaRequest& request, const OutputParserOptions& parser, double started_s)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(request),
        output_(parser, ReasoningTokens(*context.tokenizer), /*one_call_only=*/false),
        started_s_(started_s) {}

  void begin() override {
    if (is_stream()) exchange_->begin_stream(200, "application/x-ndjson");
  }
  bool write(int choice, ChoiceDelta delta) override;
  void end() override;
  void fail(const Error& error) override;

 private:
  bool is_stream() const { return request_.chat.stream; }
  void add(OutputEvent&& event);
  void add_logprobs(const std::vector<OutputToken>& tokens);
  void add_call();
  Json line();
  void add_end(Json& line) const;

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  OllamaRequest request_;
  ChatOutput output_;
  OllamaPiece piece_;                       // not sent yet
  std::string call_name_, call_arguments_;  // of the call that is under way
  int num_calls_ = 0;
  Usage usage_;
  std::optional<ChoiceFinish> finish_;
  double started_s_;
  std::optional<double> first_token_s_;
};

bool OllamaWriter::write(int, ChoiceDelta delta) {
  if (!first_token_s_) first_token_s_ = context_.clock.now_s();
  usage_ = delta.usage;
  for (OutputEvent& event : output_.append(delta)) add(std::move(event));
  if (request_.chat.logprobs) add_logprobs(delta.tokens);
  if (is_stream() && !piece_.empty()) exchange_->write(to_json_text(line()) + '\n');
  finish_ = std::move(delta.finish);
  return finish_.has_value();
}

void OllamaWriter::add(OutputEvent&& event) {
  if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
    piece_.thinking += reasoning->text;
  } else if (const auto* content = std::get_if<ContentDelta>(&event)) {
    piece_.content += content->text;
  } else if (auto* begin = std::get_if<ToolCallBegin>(&event)) {
    call_name_ = std::move(begin->name);
    call_arguments_.clear();
  } else if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
    call_arguments_ += arguments->fragment;
  } else {
    add_call();
  }
}

// Calls come whole, never in fragments; one that the limit cut off does not come.
void OllamaWriter::add_call() {
  Result<Json> arguments = parse_json(call_arguments_);
  Json function = {{"index", num_calls_++},
                   {"name", std::move(call_name_)},
                   {"arguments", arguments ? *std::move(arguments) : Json::object()}};
  piece_.tool_calls.push_back(
      {{"id", "call_" + context_.ids.next_hex(24)}, {"function", std::move(function)}});
}

void OllamaWriter::add_logprobs(const std::vector<OutputToken>& tokens) {
  for (const OutputToken& token : tokens)
    piece_.logprobs.push_back(chat_logprob(token, *context_.tokenizer, TokenNames::kText));
}

Json OllamaWriter::line() {
  return ollama_line(request_.endpoint, request_.chat.model, std::exchange(piece_, {}));
}

void OllamaWriter::add_end(Json& line) const {
  const double now_s = context_.clock.now_s();
  const double first_s = first_token_s_.value_or(now_s);
  line["done"] = true;
  line["done_reason"] = finish_->reason == FinishReason::kLength ? "length" : "stop";
  line["total_duration"] = nanoseconds(now_s - started_s_);
  line["load_duration"] = 0;  // the model was there before the request
  line["prompt_eval_count"] = usage_.prompt_tokens;
  line["prompt_eval_duration"] = nanoseconds(first_s - started_s_);
  line["eval_count"] = usage_.completion_tokens;
  line["eval_duration"] = nanoseconds(now_s - first_s);
}

void OllamaWriter::end() {
  if (finish_->reason == FinishReason::kAbort)
    return fail({ErrorCode::kCancelled, "The request was aborted."});
  Json last = line();
  add_end(last);
  if (!is_stream()) return exchange_->respond({.status = 200, .body = to_json_text(last)});
  exchange_->write(to_json_text(last) + '\n');
  exchange_->end_stream();
}

void OllamaWriter::fail(const Error& error) {
  if (!is_stream()) return exchange_->respond(ollama_error_response(error));
  exchange_->write(ollama_error_text(error) + '\n');
  exchange_->end_stream();
}

}  // namespace

std::unique_ptr<AnswerWriter> make_ollama_writer(ServerContext& context,
                                                 std::shared_ptr<Exchange> exchange,
                                                 const OllamaRequest& request,
                                                 const OutputParserOptions& parser,
                                                 double started_s) {
  return std::make_unique<OllamaWriter>(context, std::move(exchange), request, parser, started_s);
}

}  // namespace glint
