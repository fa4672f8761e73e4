#pragma once

// The model's text, as it streams, to reasoning, content and tool calls.
//
//   REASONING ──</think>──▶ CONTENT ──<tool_call>──▶ a call ──</tool_call>──▶ CONTENT
//       └───────────────<tool_call>─────────────────────▲
//
// The same text gives the same events however it is cut, up to the joining of neighbouring deltas:
// put together, they are equal for every cut.
//
// White space next to a call is layout: it is content only between text and text.

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "chat/message.h"

namespace glint {

struct ReasoningDelta {
  std::string text;
};
struct ContentDelta {
  std::string text;
};
// A call's name is whole when it appears. Its arguments follow as fragments of one JSON object.
struct ToolCallBegin {
  int index = 0;
  std::string name;
};
struct ToolCallArguments {
  int index = 0;
  std::string fragment;
};
struct ToolCallEnd {
  int index = 0;
};
using OutputEvent =
    std::variant<ReasoningDelta, ContentDelta, ToolCallBegin, ToolCallArguments, ToolCallEnd>;

struct OutputParserOptions {
  bool parse_reasoning = true;  // --reasoning-parser glm45
  bool parse_tool_calls =
      true;  // --tool-call-parser glm47, tools were sent, tool_choice is not none
  bool starts_in_reasoning = true;  // RenderedPrompt::opens_thinking
  std::vector<Tool> tools{};        // for the types of argument values
};

// A model that ends its turn within a call has forgotten the closing tags: the call is whole. One
// that something else cut off is not.
enum class TextEnd { kCutOff, kEndOfTurn };

class OutputParser {
 public:
  explicit OutputParser(OutputParserOptions options);
  ~OutputParser();
  OutputParser(OutputParser&&) noexcept;

  std::vector<OutputEvent> append(std::string_view text);  // valid UTF-8
  // The end of the text. A call cut off by it gets no ToolCallEnd and no invented closing.
  std::vector<OutputEvent> finish(TextEnd end = TextEnd::kCutOff);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The whole answer at once, through the same parser.
struct ParsedOutput {
  std::string reasoning;
  std::string content;
  struct Call {
    std::string name;
    std::string arguments;
  };                             // arguments: JSON text
  std::vector<Call> tool_calls;  // complete ones only
};
ParsedOutput parse_output(std::string_view text, OutputParserOptions options);

}  // namespace glint
