#include "chat/output_parser.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "chat/lookahead.h"
#include "chat/reasoning_parser.h"
#include "chat/tags.h"
#include "chat/tool_call_parser.h"

namespace glint {
namespace {

struct OutputCollector {
  void add(const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) std::visit(*this, event);
  }

  void operator()(const ReasoningDelta& delta) { output.reasoning += delta.text; }
  void operator()(const ContentDelta& delta) { output.content += delta.text; }
  void operator()(const ToolCallBegin& begin) { call = {begin.name, ""}; }
  void operator()(const ToolCallArguments& arguments) { call.arguments += arguments.fragment; }
  void operator()(const ToolCallEnd&) { output.tool_calls.push_back(std::move(call)); }

  ParsedOutput output;
  ParsedOutput::Call call;  // the open one
};

}  // namespace

// Each part takes what it can from the front of the pending text, and what it cannot decide yet
// stays there for the next call: that makes the events independent of how the text was cut.
struct OutputParser::State {
  enum class Part { kReasoning, kContent, kToolCall };

  explicit State(OutputParserOptions o)
      : options(std::move(o)),
        call(options.tools),
        part(options.parse_reasoning && options.starts_in_reasoning ? Part::kReasoning
                                                                    : Part::kContent) {}

  std::vector<OutputEvent> run(bool at_end);
  bool advance(std::string_view& text, bool at_end);
  bool advance_reasoning_part(std::string_view& text, bool at_end);
  bool advance_content(std::string_view& text, bool at_end);
  bool advance_call(std::string_view& text, bool at_end);
  bool take_tool_call(std::string_view& text, bool at_end);
  void end_call();
  void close_call();
  void take_think(std::string_view tag);
  bool opens_call(const CallOpening& opening) const;
  void emit_content(std::string_view text);

  const OutputParserOptions options;
  ToolCallParser call;
  Part part;
  std::string pending;
  std::vector<OutputEvent> events;
  int num_calls = 0;
  std::string cut_name;  // of a call that the end of the text cut off behind its name
  bool had_content = false;
  std::string held_space;        // white space that is content only if content follows
  int num_mentioned_thinks = 0;  // <think> in the midst of content: text, and so is its </think>
};

std::vector<OutputEvent> OutputParser::State::run(bool at_end) {
  std::string_view text = pending;
  while (!text.empty() && advance(text, at_end)) {
  }
  pending.erase(0, pending.size() - text.size());
  return std::exchange(events, {});
}

// False when it must wait for more text.
bool OutputParser::State::advance(std::string_view& text, bool at_end) {
  switch (part) {
    case Part::kReasoning:
      return advance_reasoning_part(text, at_end);
    case Part::kContent:
      return advance_content(text, at_end);
    case Part::kToolCall:
      return advance_call(text, at_end);
  }
  return false;
}

bool OutputParser::State::advance_reasoning_part(std::string_view& text, bool at_end) {
  switch (advance_reasoning(text, options.parse_tool_calls, at_end, events)) {
    case ReasoningStep::kWaits:
      return false;
    case ReasoningStep::kEnded:
      part = Part::kContent;
      return true;
    case ReasoningStep::kToolCall:
      return take_tool_call(text, at_end);
  }
  return false;
}

bool OutputParser::State::advance_content(std::string_view& text, bool at_end) {
  // A tag that is not looked for is replaced by one that is.
  const bool calls = options.parse_tool_calls, thinks = options.parse_reasoning;
  if (!calls && !thinks) {
    emit_content(text);
    text = {};
    return true;
  }
  const FoundTag found = find_tag(
      text,
      {calls ? tags::kToolCall : tags::kThink, calls ? tags::kToolCallEnd : tags::kThinkEnd,
       thinks ? tags::kThink : tags::kToolCall, thinks ? tags::kThinkEnd : tags::kToolCallEnd});
  emit_content(text.substr(0, found.at));
  text.remove_prefix(found.at);
  if (found.tag == tags::kToolCall) return take_tool_call(text, at_end);
  text.remove_prefix(found.tag.size());
  if (found.tag == tags::kThink || found.tag == tags::kThinkEnd) take_think(found.tag);
  if (!found.tag.empty()) return true;  // a stray </tool_call> is dropped
  if (at_end) {
    emit_content(text);
    text = {};
  }
  return false;
}

// Before any content <think> opens the reasoning (again). Later it is a mention; a </think> without
// one is a slip of the model, and dropped.
void OutputParser::State::take_think(std::string_view tag) {
  if (tag == tags::kThink && !had_content && num_calls == 0) {
    part = Part::kReasoning;
  } else if (tag == tags::kThink) {
    ++num_mentioned_thinks;
    emit_content(tag);
  } else if (num_mentioned_thinks > 0) {
    --num_mentioned_thinks;
    emit_content(tag);
  }
}

// Inside reasoning a model may talk about the format, so a call without arguments must name a
// declared tool there.
bool OutputParser::State::opens_call(const CallOpening& opening) const {
  if (part == Part::kContent || opening.has_arguments || options.tools.empty()) return true;
  return find_tool(options.tools, opening.name) != nullptr;
}

bool OutputParser::State::take_tool_call(std::string_view& text, bool at_end) {
  const CallOpening opening = match_call_opening(text.substr(tags::kToolCall.size()));
  if (opening.match == Match::kPartial) {
    if (!at_end) return false;
    cut_name = opening.name;
    text = {};
    return false;
  }
  text.remove_prefix(tags::kToolCall.size());
  if (opening.match == Match::kYes && opens_call(opening)) {
    text.remove_prefix(opening.num_bytes);
    if (!had_content) held_space.clear();
    call.begin(opening, num_calls, events);
    part = Part::kToolCall;
  } else if (part == Part::kReasoning) {
    emit_reasoning(tags::kToolCall, events);
  } else {
    emit_content(tags::kToolCall);
  }
  return true;
}

bool OutputParser::State::advance_call(std::string_view& text, bool at_end) {
  const bool advanced = call.advance(text, at_end, events);
  if (call.done()) end_call();
  return advanced;
}

void OutputParser::State::end_call() {
  part = Part::kContent;
  if (call.was_emitted()) ++num_calls;
  emit_content(call.rejected());
}

// Of a call that ends behind its name nobody can tell whether the name is whole, unless a tool has
// it.
void OutputParser::State::close_call() {
  if (find_tool(options.tools, cut_name)) {
    call.begin({.name = cut_name}, num_calls, events);
    part = Part::kToolCall;
  }
  if (part != Part::kToolCall) return;
  call.close(events);
  end_call();
}

// With calls about, white space next to one is layout: it is held until text follows, and dropped
// if none does, or if no text came before.
void OutputParser::State::emit_content(std::string_view text) {
  if (!options.parse_tool_calls) {
    if (!text.empty()) events.push_back(ContentDelta{std::string(text)});
    had_content |= !trim_ascii(text).empty();
    return;
  }
  std::string_view shown = text;
  while (!shown.empty() && is_ascii_space(shown.back())) {
    shown.remove_suffix(1);
  }
  if (shown.empty()) {
    held_space += text;
    return;
  }
  if (!had_content && num_calls > 0) {
    held_space.clear();
    while (is_ascii_space(shown.front())) shown.remove_prefix(1);
  }
  had_content = true;
  events.push_back(ContentDelta{std::exchange(held_space, {}) += shown});
  held_space = text.substr(static_cast<size_t>(shown.end() - text.begin()));
}

OutputParser::OutputParser(OutputParserOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
OutputParser::~OutputParser() = default;
OutputParser::OutputParser(OutputParser&&) noexcept = default;

std::vector<OutputEvent> OutputParser::append(std::string_view text) {
  state_->pending += text;
  return state_->run(/*at_end=*/false);
}

std::vector<OutputEvent> OutputParser::finish(TextEnd end) {
  std::vector<OutputEvent> events = state_->run(/*at_end=*/true);
  state_->pending.clear();
  if (end == TextEnd::kEndOfTurn) {
    state_->close_call();
    std::ranges::move(std::exchange(state_->events, {}), std::back_inserter(events));
  }
  const bool any_call = state_->num_calls > 0 || state_->part == State::Part::kToolCall;
  if (!any_call && !state_->held_space.empty()) {
    events.push_back(ContentDelta{std::exchange(state_->held_space, {})});
  }
  return events;
}

ParsedOutput parse_output(std::string_view text, OutputParserOptions options) {
  OutputParser parser(std::move(options));
  OutputCollector collector;
  collector.add(parser.append(text));
  collector.add(parser.finish());
  return std::move(collector.output);
}

}  // namespace glint
