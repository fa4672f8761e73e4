#include "api/chat_output.h"

#include <utility>

#include "api/openai/shapes.h"

namespace glint {
namespace {

// A stop id ends the turn; a stop string, the limit and an abort cut it off.
TextEnd text_end(const ChoiceFinish& finish) {
  return finish.reason == FinishReason::kStop && finish.matched_token ? TextEnd::kEndOfTurn
                                                                      : TextEnd::kCutOff;
}

}  // namespace

ChatOutput::ChatOutput(OutputParserOptions options, const ReasoningTokens& tokens,
                       bool one_call_only)
    : parser_(options),
      tokens_(tokens),
      in_reasoning_(options.starts_in_reasoning),
      one_call_only_(one_call_only) {}

std::vector<OutputEvent> ChatOutput::append(const ChoiceDelta& delta) {
  count_reasoning(delta.tokens);
  std::vector<OutputEvent> events;
  take(parser_.append(delta.text), events);
  if (delta.finish) take(parser_.finish(text_end(*delta.finish)), events);
  return events;
}

std::string ChatOutput::finish_reason(const std::optional<ChoiceFinish>& finish) const {
  if (cut_) return "tool_calls";
  if (complete_calls_ > 0 && finish->reason == FinishReason::kStop) return "tool_calls";
  return glint::finish_reason(finish->reason);
}

// By ids, not by text: </think> itself is counted, as in SGLang.
void ChatOutput::count_reasoning(const std::vector<OutputToken>& tokens) {
  for (const OutputToken& token : tokens) {
    if (!in_reasoning_) return;
    in_reasoning_ = token.id != tokens_.think_end && token.id != tokens_.tool_call;
    if (token.id != tokens_.tool_call) ++reasoning_tokens_;
  }
}

void ChatOutput::take(std::vector<OutputEvent>&& from, std::vector<OutputEvent>& to) {
  for (OutputEvent& event : from) {
    if (cut_) return;
    if (const auto* begin = std::get_if<ToolCallBegin>(&event); begin && begin->index > 0)
      cut_ = one_call_only_;
    if (cut_) return;
    if (std::holds_alternative<ToolCallEnd>(event)) ++complete_calls_;
    to.push_back(std::move(event));
  }
}

}  // namespace glint
