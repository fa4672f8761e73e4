#include "chat/tool_call_parser.h"

#include <nlohmann/json.hpp>

#include "base/planted_bug.h"
#include "chat/python_literal.h"
#include "chat/tags.h"

namespace glint {
namespace {

// White space, also as the two characters \n, which models write between tags at times. Stops
// before a backslash whose next character has not come.
void skip_blanks(std::string_view& text) {
  while (!text.empty()) {
    if (is_ascii_space(text.front())) {
      text.remove_prefix(1);
    } else if (text.starts_with("\\n")) {
      text.remove_prefix(2);
    } else {
      return;
    }
  }
}

// Whether `text` is a beginning of one of the tags, or of a written \n.
bool is_cut_short(std::string_view text, std::initializer_list<std::string_view> tags) {
  for (const std::string_view tag : tags) {
    if (tag.starts_with(text)) return true;
  }
  return text == "\\" && !planted(PlantedBug::kCutNewlineNotAwaited);
}

bool take(std::string_view& text, std::string_view tag) {
  if (!text.starts_with(tag)) return false;
  text.remove_prefix(tag.size());
  return true;
}

}  // namespace

void ToolCallParser::begin(const CallOpening& opening, int index,
                           std::vector<OutputEvent>& events) {
  events_ = &events;
  state_ = State::kPairs;
  name_ = opening.name;
  tool_ = find_tool(tools_, name_);
  index_ = index;
  begun_ = false;
  num_pairs_ = 0;
  key_.clear();
  value_.clear();
  json_.clear();
  in_json_string_ = after_backslash_ = false;
  rejected_.clear();
}

bool ToolCallParser::advance(std::string_view& text, bool at_end,
                             std::vector<OutputEvent>& events) {
  events_ = &events;
  switch (state_) {
    case State::kPairs:
      return advance_pairs(text);
    case State::kKey:
      return advance_key(text);
    case State::kAfterKey:
      return advance_after_key(text);
    case State::kValue:
      return advance_value(text, at_end);
    case State::kJson:
      return advance_json(text);
    case State::kDone:
      return false;
  }
  return false;
}

void ToolCallParser::close(std::vector<OutputEvent>& events) {
  events_ = &events;
  if (state_ == State::kJson) return end_json();
  if (!begun_ && !name_.empty()) emit_begin(name_);
  if (state_ == State::kValue) end_value();
  end_call();
}

bool ToolCallParser::advance_pairs(std::string_view& text) {
  skip_blanks(text);
  if (text.empty()) return false;
  if (!begun_ && num_pairs_ == 0 && text.front() == '{') {
    state_ = State::kJson;
    return true;
  }
  if (!begun_ && !name_.empty()) emit_begin(name_);
  key_.clear();
  if (take(text, tags::kToolCallEnd)) {
    end_call();
    return true;
  }
  if (take(text, tags::kArgValueEnd) || take(text, tags::kArgKeyEnd)) return true;  // stray
  if (take(text, tags::kArgKey)) {
    state_ = State::kKey;
    return true;
  }
  // The next call begins: this one lacks nothing but its end.
  if (text.starts_with(tags::kToolCall)) {
    const Match next = match_call_opening(text.substr(tags::kToolCall.size())).match;
    if (next == Match::kPartial) return false;
    if (next == Match::kYes) {
      end_call();
      return true;
    }
  } else if (is_cut_short(text, {tags::kToolCallEnd, tags::kArgValueEnd, tags::kArgKeyEnd,
                                 tags::kArgKey, tags::kToolCall})) {
    return false;
  }
  state_ = State::kKey;  // its <arg_key> is missing
  return true;
}

bool ToolCallParser::advance_key(std::string_view& text) {
  const FoundTag found =
      find_tag(text, {tags::kArgKeyEnd, tags::kArgValue, tags::kToolCallEnd, tags::kArgKey});
  key_ += text.substr(0, found.at);
  text.remove_prefix(found.at);
  if (found.tag == tags::kArgKeyEnd) {
    text.remove_prefix(found.tag.size());
    state_ = State::kAfterKey;
  } else if (found.tag == tags::kArgValue) {  // </arg_key> is missing
    state_ = State::kAfterKey;
  } else if (found.tag == tags::kArgKey) {
    text.remove_prefix(found.tag.size());
    key_.clear();
  } else if (found.tag == tags::kToolCallEnd) {  // no key but stray text
    state_ = State::kPairs;
  } else {
    return false;
  }
  return true;
}

bool ToolCallParser::advance_after_key(std::string_view& text) {
  skip_blanks(text);
  if (text.empty()) return false;
  if (text.starts_with(tags::kArgKey) || text.starts_with(tags::kToolCallEnd)) {
    state_ = State::kPairs;  // a key without a value is none
    return true;
  }
  if (!take(text, tags::kArgValue) &&
      is_cut_short(text, {tags::kArgKey, tags::kToolCallEnd, tags::kArgValue})) {
    return false;
  }
  end_key();
  state_ = State::kValue;
  return true;
}

void ToolCallParser::end_key() {
  key_ = trim_ascii(key_);
  types_ = tool_ ? argument_types(*tool_, key_) : ArgumentTypes{};
  value_.clear();
  streams_ = false;
  add_to_value("");
}

// What a tag inside a value means: kYes ends the value, kNo is text. A </tool_call> is text unless
// a whole further call opens behind it or nothing at all follows; a new pair ends a value that
// should not be text.
bool ToolCallParser::ends_value(std::string_view rest, std::string_view tag, bool at_end,
                                Match& match) const {
  if (tag == tags::kArgKey) {
    match = streams_ ? Match::kNo : match_next_pair(rest);
  } else {
    match = match_next_call(rest);
    const bool is_last = trim_ascii(rest.substr(tag.size())).empty();
    if (at_end && is_last && match == Match::kPartial) match = Match::kYes;
  }
  return match == Match::kYes;
}

bool ToolCallParser::advance_value(std::string_view& text, bool at_end) {
  const FoundTag found = find_tag(text, {tags::kArgValueEnd, tags::kToolCallEnd, tags::kArgKey});
  add_to_value(text.substr(0, found.at));
  text.remove_prefix(found.at);
  if (found.tag.empty()) return false;
  if (take(text, tags::kArgValueEnd)) {
    end_value();
    return true;
  }
  Match match = Match::kNo;
  if (ends_value(text, found.tag, at_end, match)) {
    end_value();
    return true;
  }
  if (match == Match::kPartial) return false;
  add_to_value(found.tag);
  text.remove_prefix(found.tag.size());
  return true;
}

void ToolCallParser::add_to_value(std::string_view piece) {
  if (key_.empty()) return;  // a value without a key is dropped
  if (streams_) {
    std::string escaped;
    append_json_escaped(escaped, piece);
    emit(escaped);
    return;
  }
  value_ += piece;
  if (may_be_other_than_string(value_, types_)) return;
  streams_ = true;
  emit_key();
  std::string fragment = "\"";
  append_json_escaped(fragment, value_);
  emit(fragment);
}

void ToolCallParser::end_value() {
  state_ = State::kPairs;
  if (key_.empty()) return;
  if (streams_) {
    emit("\"");
  } else {
    emit_key();
    emit(to_json_text(typed_argument(value_, types_)));
  }
  streams_ = false;
  ++num_pairs_;
}

// Ends at the first </tool_call> outside of a JSON string.
bool ToolCallParser::advance_json(std::string_view& text) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (in_json_string_) {
      in_json_string_ = after_backslash_ || c != '"';
      after_backslash_ = !after_backslash_ && c == '\\';
    } else if (c == '"') {
      in_json_string_ = true;
    } else if (c == '<') {
      const std::string_view rest = text.substr(at);
      if (rest.starts_with(tags::kToolCallEnd) || tags::kToolCallEnd.starts_with(rest)) break;
    }
  }
  json_ += text.substr(0, at);
  text.remove_prefix(at);
  if (!take(text, tags::kToolCallEnd)) return false;
  end_json();
  return true;
}

// {"city": "Rome"} behind a name, or {"name": "f", "arguments": {…}} without one.
void ToolCallParser::end_json() {
  state_ = State::kDone;
  const auto parsed = parse_json(json_);
  std::optional<Json> call = parsed ? std::optional<Json>(*parsed) : parse_python_literal(json_);
  std::string name = name_;
  if (call && call->is_object() && name.empty() && call->contains("name")) {
    if (call->at("name").is_string()) name = call->at("name").get<std::string>();
    const char* key = call->contains("arguments") ? "arguments" : "parameters";
    call = call->contains(key) ? Json(call->at(key)) : Json::object();
  }
  if (name.empty() || !call || !call->is_object()) {
    rejected_ = name_ + json_;
    return;
  }
  emit_begin(name);
  emit(to_json_text(*call));
  events_->push_back(ToolCallEnd{index_});
}

void ToolCallParser::end_call() {
  state_ = State::kDone;
  if (!begun_) return;
  emit(num_pairs_ == 0 ? "{}" : "}");
  events_->push_back(ToolCallEnd{index_});
}

void ToolCallParser::emit_begin(const std::string& name) {
  begun_ = true;
  events_->push_back(ToolCallBegin{index_, name});
}

void ToolCallParser::emit_key() {
  emit(num_pairs_ == 0 ? "{" : ",");
  emit(to_json_text(Json(key_)));
  emit(":");
}

void ToolCallParser::emit(std::string_view fragment) {
  if (!begun_ || fragment.empty()) return;
  if (!events_->empty()) {
    auto* last = std::get_if<ToolCallArguments>(&events_->back());
    if (last) {
      last->fragment += fragment;
      return;
    }
  }
  events_->push_back(ToolCallArguments{index_, std::string(fragment)});
}

}  // namespace glint
