#pragma once

// One choice of a chat: its text as reasoning, content and tool calls, with the counts that go into
// the answer.

#include <optional>
#include <string>
#include <vector>

#include "api/choice_text.h"
#include "api/server_context.h"
#include "chat/output_parser.h"

namespace glint {

// The tokens that end reasoning, by name from the tokenizer's file.
struct ReasoningTokens {
  std::optional<TokenId> think_end;  // </think>
  std::optional<TokenId> tool_call;  // <tool_call>: the model may forget </think>

  explicit ReasoningTokens(const Tokenizer& tokenizer)
      : think_end(tokenizer.find("</think>")), tool_call(tokenizer.find("<tool_call>")) {}
};

class ChatOutput {
 public:
  ChatOutput(OutputParserOptions options, const ReasoningTokens& tokens, bool one_call_only);

  // The events that `delta` completes; with delta.finish, all that were held back.
  std::vector<OutputEvent> append(const ChoiceDelta& delta);

  int reasoning_tokens() const { return reasoning_tokens_; }
  // A second call began although parallel_tool_calls is false: the choice ends before it.
  bool cut() const { return cut_; }
  // "tool_calls" if a call is complete and the end was natural, else as the engine says.
  std::string finish_reason(const std::optional<ChoiceFinish>& finish) const;

 private:
  void count_reasoning(const std::vector<OutputToken>& tokens);
  void take(std::vector<OutputEvent>&& from, std::vector<OutputEvent>& to);

  OutputParser parser_;
  ReasoningTokens tokens_;
  bool in_reasoning_;
  bool one_call_only_;
  bool cut_ = false;
  int reasoning_tokens_ = 0;
  int complete_calls_ = 0;
};

}  // namespace glint
