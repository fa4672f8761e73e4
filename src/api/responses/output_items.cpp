#include "api/responses/output_items.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "api/openai/shapes.h"
#include "http/sse.h"

namespace glint {
namespace {

// Marks an encrypted_content of ours, which is the text itself: to clients that send only that back
// it is as opaque as another's.
constexpr std::string_view kOurs = "glint:";

Result<std::string> texts_of(const RequestFields& item, std::string_view name) {
  std::string joined;
  const Json* parts = TRY(item.array(name));
  if (parts == nullptr) return joined;
  for (const Json& part : *parts) {
    if (!part.is_object() || !part.contains("text") || !part["text"].is_string())
      return item.refuse(name, "an array of objects with a text");
    joined += part["text"].get_ref<const std::string&>();
  }
  return joined;
}

}  // namespace

Result<std::string> reasoning_text(const RequestFields& item) {
  const std::string content = TRY(texts_of(item, "content"));
  const std::string opaque = TRY(item.string("encrypted_content")).value_or("");
  std::string summary = TRY(texts_of(item, "summary"));
  if (!content.empty()) return content;
  if (opaque.starts_with(kOurs)) return opaque.substr(kOurs.size());
  return summary;
}

void EventWriter::add(std::string_view type, const Json& fields) {
  const std::string text = to_json_text(fields);
  add_text(type, std::string_view(text).substr(1, text.size() - 2));
}

void EventWriter::add_text(std::string_view type, std::string_view fields) {
  append_sse_event(
      out_,
      cat(R"({"type":")", type, R"(","sequence_number":)", sequence_number_++, ",", fields, "}"),
      type);
}

std::string EventWriter::take() { return std::exchange(out_, ""); }

OutputItems::OutputItems(ServerContext& context, const OutputItemOptions& options,
                         EventWriter* events, bool starts_in_reasoning)
    : context_(context),
      options_(options),
      events_(events),
      tokens_(*context.tokenizer),
      tool_call_end_(context.tokenizer->find("</tool_call>")),
      place_(starts_in_reasoning ? Place::kReasoning : Place::kText) {}

void OutputItems::append(const ChoiceDelta& delta, const std::vector<OutputEvent>& events) {
  if (options_.logprobs) keep_logprobs(delta);
  for (const OutputEvent& event : events) {
    if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
      add_delta(Kind::kReasoning, reasoning->text);
    } else if (const auto* content = std::get_if<ContentDelta>(&event)) {
      add_delta(Kind::kMessage, content->text);
    } else if (const auto* begin = std::get_if<ToolCallBegin>(&event)) {
      open_call(begin->name);
    } else if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
      add_delta(Kind::kCall, arguments->fragment);
    } else {
      close("completed");
    }
  }
}

void OutputItems::finish(bool cut) {
  const bool whole = !cut && kind_ != Kind::kCall;
  close(whole ? "completed" : "incomplete");
}

// By ids, not by text, which may be held back and then comes for several tokens at once.
void OutputItems::keep_logprobs(const ChoiceDelta& delta) {
  for (const OutputToken& token : delta.tokens) {
    const Place place = place_;
    if (token.id == tokens_.think_end || token.id == tool_call_end_) place_ = Place::kText;
    if (token.id == tokens_.tool_call) place_ = Place::kCall;
    const bool is_stop = delta.finish && delta.finish->matched_token == token.id;
    if (place == Place::kText && place_ == Place::kText && !is_stop)
      pending_logprobs_.push_back(chat_logprob(token, *context_.tokenizer, TokenNames::kText));
  }
}

void OutputItems::open(Kind kind) {
  close("completed");
  kind_ = kind;
  const char* prefix = kind == Kind::kReasoning ? "rs_" : kind == Kind::kMessage ? "msg_" : "fc_";
  id_ = prefix + context_.ids.next_hex(48);
  if (events_ == nullptr) return;
  events_->add("response.output_item.added",
               {{"output_index", items_.size()}, {"item", item("in_progress")}});
  announce_part("added");
}

void OutputItems::open_call(const std::string& name) {
  close("completed");
  name_ = name;
  call_id_ = "call_" + context_.ids.next_hex(24);
  open(Kind::kCall);
}

void OutputItems::add_delta(Kind kind, const std::string& text) {
  if (kind_ != kind) open(kind);
  text_ += text;
  Json logprobs = Json::array();
  if (kind == Kind::kMessage) {
    logprobs = std::exchange(pending_logprobs_, Json::array());
    logprobs_.insert(logprobs_.end(), logprobs.begin(), logprobs.end());
  }
  if (events_ == nullptr) return;
  const std::string delta = cat(R"(,"delta":)", json_quoted(text));
  if (kind == Kind::kCall) {
    events_->add_text("response.function_call_arguments.delta", at("") + delta);
  } else if (kind == Kind::kMessage) {
    events_->add_text("response.output_text.delta",
                      cat(at("content_index"), delta, R"(,"logprobs":)", to_json_text(logprobs)));
  } else if (options_.summarize) {
    events_->add_text("response.reasoning_summary_text.delta", at("summary_index") + delta);
  } else {
    events_->add_text("response.reasoning_text.delta", at("content_index") + delta);
  }
}

void OutputItems::close(const char* status) {
  if (kind_ == Kind::kNone) return;
  if (events_ != nullptr) {
    announce_text_done();
    announce_part("done");
    events_->add("response.output_item.done",
                 {{"output_index", items_.size()}, {"item", item(status)}});
  }
  items_.push_back(item(status));
  kind_ = Kind::kNone;
  text_.clear();
  logprobs_ = Json::array();
}

void OutputItems::announce_text_done() {
  if (kind_ == Kind::kCall) {
    announce("response.function_call_arguments.done", "", {{"name", name_}, {"arguments", text_}});
  } else if (kind_ == Kind::kMessage) {
    announce("response.output_text.done", "content_index",
             {{"text", text_}, {"logprobs", logprobs_}});
  } else if (options_.summarize) {
    announce("response.reasoning_summary_text.done", "summary_index", {{"text", text_}});
  } else {
    announce("response.reasoning_text.done", "content_index", {{"text", text_}});
  }
}

void OutputItems::announce_part(const char* step) {
  if (kind_ == Kind::kCall) return;
  if (kind_ == Kind::kReasoning && options_.summarize) {
    announce(cat("response.reasoning_summary_part.", step), "summary_index", {{"part", part()}});
  } else {
    announce(cat("response.content_part.", step), "content_index", {{"part", part()}});
  }
}

void OutputItems::announce(std::string_view type, std::string_view index_name, Json fields) {
  Json all = {{"item_id", id_}, {"output_index", items_.size()}};
  if (!index_name.empty()) all[std::string(index_name)] = 0;
  all.update(fields);
  events_->add(type, all);
}

// Where a delta belongs, as JSON text. Each item of ours has one part at most.
std::string OutputItems::at(std::string_view index_name) const {
  std::string text = cat(R"("item_id":")", id_, R"(","output_index":)", items_.size());
  if (!index_name.empty()) text += cat(",\"", index_name, "\":0");
  return text;
}

Json OutputItems::part() const {
  if (kind_ == Kind::kReasoning)
    return {{"type", options_.summarize ? "summary_text" : "reasoning_text"}, {"text", text_}};
  return {{"type", "output_text"},
          {"text", text_},
          {"annotations", Json::array()},
          {"logprobs", logprobs_}};
}

Json OutputItems::item(const char* status) const {
  const bool begun = std::string_view(status) != "in_progress";  // parts are announced later
  const Json parts = begun && kind_ != Kind::kCall ? Json::array({part()}) : Json::array();
  if (kind_ == Kind::kCall) {
    return {{"id", id_},           {"type", "function_call"}, {"status", status},
            {"call_id", call_id_}, {"name", name_},           {"arguments", text_}};
  }
  if (kind_ == Kind::kMessage) {
    return {{"id", id_},
            {"type", "message"},
            {"status", status},
            {"role", "assistant"},
            {"content", parts}};
  }
  Json reasoning = {{"id", id_},
                    {"type", "reasoning"},
                    {"status", status},
                    {"summary", options_.summarize ? parts : Json::array()},
                    {"content", options_.summarize ? Json::array() : parts}};
  if (options_.encrypted_content && begun) reasoning["encrypted_content"] = cat(kOurs, text_);
  return reasoning;
}

}  // namespace glint
