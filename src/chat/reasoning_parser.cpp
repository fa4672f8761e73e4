#include "chat/reasoning_parser.h"

#include "chat/lookahead.h"
#include "chat/tags.h"

namespace glint {

ReasoningStep advance_reasoning(std::string_view& text, bool stops_at_tool_call, bool at_end,
                                std::vector<OutputEvent>& events) {
  // Where no call can come, </think> stands in for <tool_call>: it is looked for already.
  const std::string_view tool_call = stops_at_tool_call ? tags::kToolCall : tags::kThinkEnd;
  while (true) {
    const FoundTag found = find_tag(text, {tags::kThinkEnd, tags::kThink, tool_call});
    emit_reasoning(text.substr(0, found.at), events);
    text.remove_prefix(found.at);
    if (found.tag == tags::kToolCall) return ReasoningStep::kToolCall;
    text.remove_prefix(found.tag.size());
    if (found.tag == tags::kThinkEnd) return ReasoningStep::kEnded;
    if (found.tag == tags::kThink) continue;
    if (at_end) {  // the beginning of a tag that never came
      emit_reasoning(text, events);
      text = {};
    }
    return ReasoningStep::kWaits;
  }
}

void emit_reasoning(std::string_view text, std::vector<OutputEvent>& events) {
  if (text.empty()) return;
  auto* last = events.empty() ? nullptr : std::get_if<ReasoningDelta>(&events.back());
  if (last) {
    last->text += text;
  } else {
    events.push_back(ReasoningDelta{std::string(text)});
  }
}

}  // namespace glint
