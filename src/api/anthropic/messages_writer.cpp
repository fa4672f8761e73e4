#include "api/anthropic/messages_writer.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "api/anthropic/errors.h"
#include "api/chat_output.h"
#include "api/openai/shapes.h"
#include "http/sse.h"

namespace glint {
namespace {

// Clients keep a thinking block only with a signature. It proves nothing here, and is not read when
// it comes back.
std::string new_signature(ServerContext& context) { return context.ids.next_hex(32); }

std::string new_tool_id(ServerContext& context) { return "toolu_" + context.ids.next_hex(24); }

Json usage_json(const Usage& usage, int thinking_tokens) {
  return Json{{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
              {"cache_creation_input_tokens", 0},
              {"cache_read_input_tokens", usage.cached_tokens},
              {"output_tokens", usage.completion_tokens},
              {"output_tokens_details", {{"thinking_tokens", thinking_tokens}}}};
}

Json text_block(std::string text) { return Json{{"type", "text"}, {"text", std::move(text)}}; }

Json thinking_block(std::string thinking, std::string signature) {
  return Json{
      {"type", "thinking"}, {"thinking", std::move(thinking)}, {"signature", std::move(signature)}};
}

Json tool_block(std::string id, std::string name, Json input) {
  return Json{{"type", "tool_use"},
              {"id", std::move(id)},
              {"name", std::move(name)},
              {"input", std::move(input)}};
}

// Why a message ended, in Anthropic's words.
struct Stop {
  std::string reason;
  std::optional<std::string> sequence{};

  Json sequence_json() const { return sequence ? Json(*sequence) : Json(nullptr); }
};

// `room` is what was asked for; an answer that ends before is as long as the context allows.
Stop stop_of(const ChatOutput& output, const ChoiceDelta& delta, std::optional<int> room) {
  const std::string reason = output.finish_reason(delta.finish);
  if (reason == "tool_calls") return {.reason = "tool_use"};
  if (delta.finish->matched_string)
    return {.reason = "stop_sequence", .sequence = delta.finish->matched_string};
  if (reason != "length") return {.reason = "end_turn"};
  const bool out_of_room = room && delta.usage.completion_tokens < *room;
  return {.reason = out_of_room ? "model_context_window_exceeded" : "max_tokens"};
}

// What ends an answer without being its end: the server shuts down, or an operator wanted it.
std::optional<Error> abortion(const ChoiceDelta& delta) {
  if (!delta.finish || delta.finish->reason != FinishReason::kAbort) return std::nullopt;
  const std::string& why = delta.finish->message;
  return Error{ErrorCode::kCancelled, why.empty() ? "The request was aborted." : why};
}

Json message_json(const ChatRequest& request, Json content, Json usage) {
  return Json{{"id", request.id},
              {"type", "message"},
              {"role", "assistant"},
              {"model", request.model},
              {"content", std::move(content)},
              {"stop_reason", nullptr},
              {"stop_sequence", nullptr},
              {"usage", std::move(usage)}};
}

// --- The whole message at once ------------------------------------------------------------------

class WholeMessageWriter final : public AnswerWriter {
 public:
  WholeMessageWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                     const ChatRequest& request, const OutputParserOptions& parser)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(request),
        output_(parser, ReasoningTokens(*context.tokenizer), request.one_call_only()) {}

  void begin() override {}
  bool write(int choice, ChoiceDelta delta) override;
  void end() override;
  void fail(const Error& error) override { exchange_->respond(anthropic_error_response(error)); }

 private:
  void add(OutputEvent&& event);
  std::string& open_text(const char* type, const char* field);

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  ChatRequest request_;
  ChatOutput output_;
  Json content_ = Json::array();
  std::string call_name_, call_arguments_;  // of the call that is under way
  Usage usage_;
  Stop stop_;
  std::optional<Error> aborted_;
};

bool WholeMessageWriter::write(int, ChoiceDelta delta) {
  for (OutputEvent& event : output_.append(delta)) add(std::move(event));
  usage_ = delta.usage;
  if (!delta.finish && !output_.cut()) return false;
  aborted_ = abortion(delta);
  stop_ = stop_of(output_, delta, request_.max_tokens_if_room);
  return true;
}

// The text of the last block, which is made if it is of another type.
std::string& WholeMessageWriter::open_text(const char* type, const char* field) {
  if (content_.empty() || content_.back()["type"] != type) {
    const bool is_text = std::string_view(type) == "text";
    content_.push_back(is_text ? text_block("") : thinking_block("", new_signature(context_)));
  }
  return content_.back()[field].get_ref<std::string&>();
}

// A call that the limit cut off is left out: its arguments are no JSON.
void WholeMessageWriter::add(OutputEvent&& event) {
  if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
    open_text("thinking", "thinking") += reasoning->text;
  } else if (const auto* content = std::get_if<ContentDelta>(&event)) {
    open_text("text", "text") += content->text;
  } else if (auto* begin = std::get_if<ToolCallBegin>(&event)) {
    call_name_ = std::move(begin->name);
    call_arguments_.clear();
  } else if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
    call_arguments_ += arguments->fragment;
  } else {
    Result<Json> input = parse_json(call_arguments_);
    content_.push_back(tool_block(new_tool_id(context_), std::move(call_name_),
                                  input ? *std::move(input) : Json::object()));
  }
}

void WholeMessageWriter::end() {
  if (aborted_) return fail(*aborted_);
  if (content_.empty()) content_.push_back(text_block(""));
  Json message =
      message_json(request_, std::move(content_), usage_json(usage_, output_.reasoning_tokens()));
  message["stop_reason"] = stop_.reason;
  message["stop_sequence"] = stop_.sequence_json();
  exchange_->respond({.status = 200, .body = to_json_text(message)});
}

// --- A stream of events -------------------------------------------------------------------------

// Deltas are put together from text: only a token's own few bytes differ from one to the next.
class MessageStreamWriter final : public AnswerWriter {
 public:
  MessageStreamWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                      const ChatRequest& request, const OutputParserOptions& parser)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(request),
        output_(parser, ReasoningTokens(*context.tokenizer), request.one_call_only()) {}

  void begin() override { exchange_->begin_stream(200, "text/event-stream"); }
  bool write(int choice, ChoiceDelta delta) override;
  void ping() override;
  void end() override;
  void fail(const Error& error) override;

 private:
  enum class Block { kNone, kThinking, kText, kTool };

  void start_message(const Usage& usage);
  void add(const OutputEvent& event);
  void open(Block block, const Json& content_block);
  void close();
  void add_delta(const char* type, const char* field, std::string_view text);
  void add_event(const char* name, std::string_view data) { append_sse_event(out_, data, name); }
  void flush() { exchange_->write(std::exchange(out_, "")); }

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  ChatRequest request_;
  ChatOutput output_;
  bool message_started_ = false;
  Block open_ = Block::kNone;
  int index_ = -1;  // of the block that is open, or was last
  Usage usage_;
  Stop stop_;
  std::optional<Error> aborted_;
  std::string out_;  // events of this turn
};

// With the first token, when it is known what came from the cache.
void MessageStreamWriter::start_message(const Usage& usage) {
  if (std::exchange(message_started_, true)) return;
  const Json message = message_json(request_, Json::array(), usage_json(usage, 0));
  add_event("message_start", to_json_text(Json{{"type", "message_start"}, {"message", message}}));
}

void MessageStreamWriter::ping() {
  start_message({});
  add_event("ping", R"({"type":"ping"})");
  flush();
}

bool MessageStreamWriter::write(int, ChoiceDelta delta) {
  usage_ = delta.usage;
  start_message(usage_);
  for (const OutputEvent& event : output_.append(delta)) add(event);
  flush();
  if (!delta.finish && !output_.cut()) return false;
  aborted_ = abortion(delta);
  stop_ = stop_of(output_, delta, request_.max_tokens_if_room);
  return true;
}

void MessageStreamWriter::add(const OutputEvent& event) {
  if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
    if (open_ != Block::kThinking) open(Block::kThinking, thinking_block("", ""));
    add_delta("thinking_delta", "thinking", reasoning->text);
  } else if (const auto* content = std::get_if<ContentDelta>(&event)) {
    if (open_ != Block::kText) open(Block::kText, text_block(""));
    add_delta("text_delta", "text", content->text);
  } else if (const auto* begin = std::get_if<ToolCallBegin>(&event)) {
    open(Block::kTool, tool_block(new_tool_id(context_), begin->name, Json::object()));
  } else if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
    add_delta("input_json_delta", "partial_json", arguments->fragment);
  } else {
    close();
  }
}

void MessageStreamWriter::open(Block block, const Json& content_block) {
  close();
  open_ = block;
  ++index_;
  add_event("content_block_start", to_json_text(Json{{"type", "content_block_start"},
                                                     {"index", index_},
                                                     {"content_block", content_block}}));
}

void MessageStreamWriter::close() {
  if (open_ == Block::kNone) return;
  if (open_ == Block::kThinking) add_delta("signature_delta", "signature", new_signature(context_));
  open_ = Block::kNone;
  add_event("content_block_stop", cat(R"({"type":"content_block_stop","index":)", index_, "}"));
}

void MessageStreamWriter::add_delta(const char* type, const char* field, std::string_view text) {
  add_event("content_block_delta",
            cat(R"({"type":"content_block_delta","index":)", index_, R"(,"delta":{"type":")", type,
                R"(",")", field, R"(":)", json_quoted(text), "}}"));
}

void MessageStreamWriter::end() {
  if (aborted_) return fail(*aborted_);
  if (index_ < 0) open(Block::kText, text_block(""));
  close();
  const Json delta = {{"stop_reason", stop_.reason}, {"stop_sequence", stop_.sequence_json()}};
  add_event("message_delta",
            to_json_text(Json{{"type", "message_delta"},
                              {"delta", delta},
                              {"usage", usage_json(usage_, output_.reasoning_tokens())}}));
  add_event("message_stop", R"({"type":"message_stop"})");
  flush();
  exchange_->end_stream();
}

void MessageStreamWriter::fail(const Error& error) {
  add_event("error", anthropic_error_text(error));
  flush();
  exchange_->end_stream();
}

}  // namespace

std::unique_ptr<AnswerWriter> make_messages_writer(ServerContext& context,
                                                   std::shared_ptr<Exchange> exchange,
                                                   const ChatRequest& request,
                                                   const OutputParserOptions& parser) {
  if (request.stream)
    return std::make_unique<MessageStreamWriter>(context, std::move(exchange), request, parser);
  return std::make_unique<WholeMessageWriter>(context, std::move(exchange), request, parser);
}

}  // namespace glint
