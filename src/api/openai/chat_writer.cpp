#include "api/openai/chat_writer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "api/chat_output.h"
#include "api/errors.h"
#include "api/openai/extras.h"
#include "api/openai/shapes.h"
#include "api/prompt_scores.h"
#include "http/sse.h"

namespace glint {
namespace {

std::string new_call_id(ServerContext& context) { return "call_" + context.ids.next_hex(24); }

std::vector<ChatOutput> make_outputs(const ChatRequest& request, const Tokenizer& tokenizer,
                                     const OutputParserOptions& parser) {
  std::vector<ChatOutput> outputs;
  const ReasoningTokens tokens(tokenizer);
  for (int i = 0; i < request.params.n; ++i)
    outputs.emplace_back(parser, tokens, request.one_call_only());
  return outputs;
}

// The events that an answer shows.
std::vector<OutputEvent> shown_events(const ChatRequest& request, ChatOutput& output,
                                      const ChoiceDelta& delta) {
  std::vector<OutputEvent> events = output.append(delta);
  if (!request.include_reasoning) {
    std::erase_if(events,
                  [](const auto& event) { return std::holds_alternative<ReasoningDelta>(event); });
  }
  return events;
}

int num_logprobs(const ChatRequest& request) { return request.params.sampling.num_logprobs; }

// --- The whole answer at once -------------------------------------------------------------------

class WholeChatWriter final : public AnswerWriter {
 public:
  WholeChatWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                  const ChatRequest& request, const OutputParserOptions& parser)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(request),
        outputs_(make_outputs(request, *context.tokenizer, parser)),
        messages_(outputs_.size()),
        scores_(request.prompt_logprobs ? num_score_pieces(request.prompt_ids.size()) : 0),
        usage_(outputs_.size(), request.params.n) {}

  void begin() override {}
  bool write(int choice, ChoiceDelta delta) override;
  void end() override;
  void fail(const Error& error) override { exchange_->respond(error_response(error)); }

 private:
  struct Call {
    std::string name, arguments;
    bool complete = false;
  };
  struct MessageParts {
    std::string reasoning, content;
    std::vector<Call> calls;
    Json logprobs = Json::array();
    std::string finish_reason;
    Json matched_stop, stop_reason;
    std::vector<OutputToken> tokens;  // with return_token_ids
    MetaInfo meta_info;
  };
  static void add(MessageParts& parts, OutputEvent&& event);
  Json choice_json(size_t index) const;
  void add_extras(const MessageParts& parts, Json& choice) const;
  Json tool_calls(const MessageParts& parts) const;

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  ChatRequest request_;
  std::vector<ChatOutput> outputs_;
  std::vector<MessageParts> messages_;
  PromptScores scores_;
  UsageSum usage_;
  double started_s_ = context_.clock.now_s();
};

bool WholeChatWriter::write(int choice, ChoiceDelta delta) {
  const auto index = static_cast<size_t>(choice);
  if (index >= outputs_.size()) return scores_.append(index - outputs_.size(), std::move(delta));
  ChatOutput& output = outputs_[index];
  MessageParts& parts = messages_[index];
  for (OutputEvent& event : shown_events(request_, output, delta)) add(parts, std::move(event));
  if (request_.logprobs)
    for (const OutputToken& token : delta.tokens)
      parts.logprobs.push_back(
          chat_logprob(token, *context_.tokenizer, token_names(request_.extras)));
  if (request_.extras.token_ids)
    parts.tokens.insert(parts.tokens.end(), delta.tokens.begin(), delta.tokens.end());
  if (request_.extras.meta_info) parts.meta_info.append(delta);
  usage_.set(choice, delta.usage, output.reasoning_tokens());
  if (!delta.finish && !output.cut()) return false;
  parts.finish_reason = output.finish_reason(delta.finish);
  if (delta.finish && !output.cut()) {
    parts.matched_stop = matched_stop(*delta.finish);
    parts.stop_reason = stop_reason(*delta.finish, context_.stop_token_ids);
  }
  return true;
}

void WholeChatWriter::add(MessageParts& parts, OutputEvent&& event) {
  if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
    parts.reasoning += reasoning->text;
  } else if (const auto* content = std::get_if<ContentDelta>(&event)) {
    parts.content += content->text;
  } else if (auto* begin = std::get_if<ToolCallBegin>(&event)) {
    parts.calls.push_back({.name = std::move(begin->name), .arguments = {}});
  } else if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
    parts.calls.back().arguments += arguments->fragment;
  } else {
    parts.calls.back().complete = true;
  }
}

// A call that the limit cut off is left out: its arguments are no JSON.
Json WholeChatWriter::tool_calls(const MessageParts& parts) const {
  Json calls = Json::array();
  for (const Call& call : parts.calls) {
    if (!call.complete) continue;
    calls.push_back({{"id", new_call_id(context_)},
                     {"index", calls.size()},
                     {"type", "function"},
                     {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return calls.empty() ? Json(nullptr) : calls;
}

Json WholeChatWriter::choice_json(size_t index) const {
  const MessageParts& parts = messages_[index];
  Json calls = tool_calls(parts);
  const Json reasoning = parts.reasoning.empty() ? Json(nullptr) : Json(parts.reasoning);
  const bool only_calls = !calls.is_null() && parts.content.empty();
  Json message = {{"role", "assistant"},
                  {"content", only_calls ? Json(nullptr) : Json(parts.content)},
                  {"reasoning_content", reasoning},
                  {"reasoning", reasoning},  // vLLM's name for it
                  {"tool_calls", std::move(calls)}};
  Json logprobs = request_.logprobs ? Json{{"content", parts.logprobs}} : Json(nullptr);
  Json choice = {{"index", index},
                 {"message", std::move(message)},
                 {"logprobs", std::move(logprobs)},
                 {"finish_reason", parts.finish_reason},
                 {"matched_stop", parts.matched_stop},
                 {"stop_reason", parts.stop_reason}};
  add_extras(parts, choice);
  return choice;
}

void WholeChatWriter::add_extras(const MessageParts& parts, Json& choice) const {
  const Extras& extras = request_.extras;
  if (extras.token_ids) choice["token_ids"] = ids_json(parts.tokens);
  if (extras.wants_prompt_ids()) choice["prompt_token_ids"] = request_.prompt_ids.copy();
  if (extras.meta_info)
    choice["meta_info"] = parts.meta_info.to_json(request_.id, num_logprobs(request_),
                                                  context_.clock.now_s() - started_s_);
}

void WholeChatWriter::end() {
  Json choices = Json::array();
  for (size_t i = 0; i < messages_.size(); ++i) choices.push_back(choice_json(i));
  Json body = {{"id", request_.id},
               {"object", "chat.completion"},
               {"created", unix_time_s()},
               {"model", request_.model},
               {"choices", std::move(choices)},
               {"usage", usage_.to_json()},
               {"metadata", {{"weight_version", "default"}}}};
  if (request_.prompt_logprobs)
    body["prompt_logprobs"] =
        prompt_logprobs(scores_.tokens(), *request_.prompt_logprobs, *context_.tokenizer);
  if (request_.extras.wants_prompt_ids()) body["prompt_token_ids"] = request_.prompt_ids.copy();
  if (request_.extras.cached_tokens_details) body["sglext"] = sglext(usage_.cached_tokens());
  exchange_->respond({.status = 200, .body = to_json_text(body)});
}

// --- A stream of chunks -------------------------------------------------------------------------

// vLLM's clients read `reasoning`, SGLang's `reasoning_content`, many without asking whether the
// key is there.
constexpr std::string_view kNoReasoning = R"("reasoning_content":null,"reasoning":null)";

std::string reasoning_delta(std::string_view text) {
  const std::string quoted = json_quoted(text);
  return cat(R"({"reasoning_content":)", quoted, R"(,"reasoning":)", quoted, "}");
}

// Chunks are put together from text: only a token's own few bytes differ from one to the next.
class ChatStreamWriter final : public AnswerWriter {
 public:
  ChatStreamWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                   const ChatRequest& request, const OutputParserOptions& parser)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(request),
        outputs_(make_outputs(request, *context.tokenizer, parser)),
        choices_(outputs_.size()),
        usage_(outputs_.size(), request.params.n) {
    head_ = cat("{\"id\":", json_quoted(request.id),
                ",\"object\":\"chat.completion.chunk\",\"created\":", unix_time_s(),
                ",\"model\":", json_quoted(request.model), ",\"choices\":[");
  }

  void begin() override;
  bool write(int choice, ChoiceDelta delta) override;
  void ping() override { exchange_->write(std::string(kSsePing)); }
  void end() override;
  void fail(const Error& error) override;

 private:
  struct ChoiceState {
    bool began = false;
    bool sent_prompt_ids = false;
    std::string reasoning;            // kept until it is whole, with stream_reasoning false
    Json logprobs = Json::array();    // of tokens whose chunk is still to come
    std::vector<OutputToken> tokens;  // the same, with return_token_ids
    MetaInfo meta_info;
    Json stop_reason;  // of the last chunk
  };
  std::string delta_json(ChoiceState& state, const OutputEvent& event);
  std::string take_reasoning(ChoiceState& state);
  void add_chunk(int choice, std::string_view delta, const std::string& finish_reason = "",
                 const Json& matched_stop = nullptr);
  std::string extras_json(ChoiceState& state, const std::string& finish_reason);
  void add_usage_chunk();
  void flush();

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  ChatRequest request_;
  std::vector<ChatOutput> outputs_;
  std::vector<ChoiceState> choices_;
  UsageSum usage_;
  std::string head_;  // of every chunk, up to its choices
  std::string out_;   // events of this turn
  double started_s_ = context_.clock.now_s();
};

void ChatStreamWriter::begin() { exchange_->begin_stream(200, "text/event-stream"); }

bool ChatStreamWriter::write(int choice, ChoiceDelta delta) {
  ChatOutput& output = outputs_[static_cast<size_t>(choice)];
  ChoiceState& state = choices_[static_cast<size_t>(choice)];
  const std::vector<OutputEvent> events = shown_events(request_, output, delta);
  usage_.set(choice, delta.usage, output.reasoning_tokens());
  if (request_.extras.meta_info) state.meta_info.append(delta);
  if (!std::exchange(state.began, true))
    add_chunk(choice, cat(R"({"role":"assistant","content":"",)", kNoReasoning, "}"));
  if (request_.logprobs)
    for (const OutputToken& token : delta.tokens)
      state.logprobs.push_back(
          chat_logprob(token, *context_.tokenizer, token_names(request_.extras)));
  if (request_.extras.token_ids)
    state.tokens.insert(state.tokens.end(), delta.tokens.begin(), delta.tokens.end());
  for (const OutputEvent& event : events) {
    const std::string json = delta_json(state, event);
    if (!json.empty()) add_chunk(choice, json);
  }
  const bool complete = delta.finish || output.cut();
  if (complete) {
    const std::string rest = take_reasoning(state);
    if (!rest.empty()) add_chunk(choice, rest);
    const bool natural = delta.finish && !output.cut();
    state.stop_reason = natural ? stop_reason(*delta.finish, context_.stop_token_ids) : nullptr;
    add_chunk(choice, cat("{", kNoReasoning, "}"), output.finish_reason(delta.finish),
              natural ? matched_stop(*delta.finish) : Json(nullptr));
  }
  flush();
  return complete;
}

std::string ChatStreamWriter::take_reasoning(ChoiceState& state) {
  if (state.reasoning.empty()) return "";
  return reasoning_delta(std::exchange(state.reasoning, ""));
}

// Empty for an event that makes no chunk.
std::string ChatStreamWriter::delta_json(ChoiceState& state, const OutputEvent& event) {
  if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
    if (request_.stream_reasoning) return reasoning_delta(reasoning->text);
    state.reasoning += reasoning->text;
    return "";
  }
  if (!state.reasoning.empty()) {  // whole now: what follows is something else
    const std::string whole = take_reasoning(state);
    add_chunk(static_cast<int>(&state - choices_.data()), whole);
  }
  if (const auto* content = std::get_if<ContentDelta>(&event))
    return cat(R"({"content":)", json_quoted(content->text), ",", kNoReasoning, "}");
  if (const auto* begin = std::get_if<ToolCallBegin>(&event)) {
    return cat(R"({"tool_calls":[{"index":)", begin->index, R"(,"id":")", new_call_id(context_),
               R"(","type":"function","function":{"name":)", json_quoted(begin->name),
               R"(,"arguments":""}}],)", kNoReasoning, "}");
  }
  // Null keys are left out: several clients choke on a null id.
  if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
    return cat(R"({"tool_calls":[{"index":)", arguments->index, R"(,"function":{"arguments":)",
               json_quoted(arguments->fragment), "}}],", kNoReasoning, "}");
  }
  return "";
}

void ChatStreamWriter::add_chunk(int choice, std::string_view delta,
                                 const std::string& finish_reason, const Json& matched_stop) {
  ChoiceState& state = choices_[static_cast<size_t>(choice)];
  std::string logprobs = "null";
  if (!state.logprobs.empty()) {
    logprobs = to_json_text(Json{{"content", std::move(state.logprobs)}});
    state.logprobs = Json::array();
  }
  std::string chunk = cat(
      head_, R"({"index":)", choice, R"(,"delta":)", delta, R"(,"logprobs":)", logprobs,
      R"(,"finish_reason":)", finish_reason.empty() ? "null" : json_quoted(finish_reason),
      R"(,"matched_stop":)", to_json_text(matched_stop), extras_json(state, finish_reason), "}]");
  if (request_.continuous_usage) chunk += R"(,"usage":)" + to_json_text(usage_.to_json());
  chunk += '}';
  append_sse_event(out_, chunk);
}

// The prompt's ids come with the first chunk, meta_info with the last.
std::string ChatStreamWriter::extras_json(ChoiceState& state, const std::string& finish_reason) {
  const Extras& extras = request_.extras;
  std::string json;
  if (!finish_reason.empty()) json += R"(,"stop_reason":)" + to_json_text(state.stop_reason);
  if (extras.token_ids)
    json += R"(,"token_ids":)" + to_json_text(ids_json(std::exchange(state.tokens, {})));
  if (extras.wants_prompt_ids() && !std::exchange(state.sent_prompt_ids, true))
    json += R"(,"prompt_token_ids":)" + to_json_text(Json(request_.prompt_ids.copy()));
  if (extras.meta_info && !finish_reason.empty())
    json += R"(,"meta_info":)" +
            to_json_text(state.meta_info.to_json(request_.id, num_logprobs(request_),
                                                 context_.clock.now_s() - started_s_));
  return json;
}

void ChatStreamWriter::add_usage_chunk() {
  append_sse_event(out_, cat(head_, R"(],"usage":)", to_json_text(usage_.to_json()), "}"));
}

void ChatStreamWriter::flush() { exchange_->write(std::exchange(out_, "")); }

void ChatStreamWriter::end() {
  if (request_.extras.cached_tokens_details)
    append_sse_event(
        out_, cat(head_, R"(],"sglext":)", to_json_text(sglext(usage_.cached_tokens())), "}"));
  if (request_.include_usage) add_usage_chunk();
  append_sse_event(out_, "[DONE]");
  flush();
  exchange_->end_stream();
}

void ChatStreamWriter::fail(const Error& error) {
  append_sse_event(out_, stream_error(error));
  append_sse_event(out_, "[DONE]");
  flush();
  exchange_->end_stream();
}

}  // namespace

std::unique_ptr<AnswerWriter> make_chat_writer(ServerContext& context,
                                               std::shared_ptr<Exchange> exchange,
                                               const ChatRequest& request,
                                               const OutputParserOptions& parser) {
  if (request.stream)
    return std::make_unique<ChatStreamWriter>(context, std::move(exchange), request, parser);
  return std::make_unique<WholeChatWriter>(context, std::move(exchange), request, parser);
}

}  // namespace glint
