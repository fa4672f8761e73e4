// What a model wrote, to reasoning, content and tool calls. The first line has letters: r parses
// reasoning, s starts inside it, t parses tool calls, d declares tools. The rest is the text.

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "chat/output_parser.h"
#include "tests/fuzz/fuzz.h"

namespace glint {
namespace {

const std::vector<Tool>& declared_tools() {
  static const std::vector<Tool> tools = *parse_json(R"([
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object",
      "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
        "metric": {"type": "boolean"}, "places": {"type": "array"}, "where": {"type": "object"},
        "code": {"type": ["string", "integer"]}, "limit": {"type": ["number", "null"]}}}}},
    {"type": "function", "function": {"name": "now"}}])");
  return tools;
}

OutputParserOptions options_of(std::string_view letters) {
  const auto has = [&](char letter) { return letters.find(letter) != letters.npos; };
  OutputParserOptions options;
  options.parse_reasoning = has('r');
  options.starts_in_reasoning = has('s');
  options.parse_tool_calls = has('t');
  if (has('d')) options.tools = declared_tools();
  return options;
}

// The events put together, and their order.
struct Reader {
  void operator()(const ReasoningDelta& delta) { reasoning += delta.text; }
  void operator()(const ContentDelta& delta) {
    CHECK(!call_is_open, "content inside a call");
    content += delta.text;
  }
  void operator()(const ToolCallBegin& begin) {
    CHECK(!call_is_open, "a call inside a call");
    CHECK(begin.index == static_cast<int>(calls.size()), "call ", begin.index, " out of order");
    CHECK(!begin.name.empty(), "a call without a name");
    calls.push_back({begin.name, ""});
    call_is_open = true;
  }
  void operator()(const ToolCallArguments& arguments) {
    CHECK(call_is_open && arguments.index + 1 == static_cast<int>(calls.size()),
          "arguments of no open call");
    CHECK(is_valid_utf8(arguments.fragment), "a cut character in ", arguments.fragment);
    calls.back().arguments += arguments.fragment;
  }
  void operator()(const ToolCallEnd& end) {
    CHECK(call_is_open && end.index + 1 == static_cast<int>(calls.size()), "the end of no call");
    call_is_open = false;
    const auto parsed = parse_json(calls.back().arguments);
    CHECK(parsed && parsed->is_object(), "arguments are no JSON object: ", calls.back().arguments);
  }

  std::string reasoning, content;
  std::vector<ParsedOutput::Call> calls;  // the last may be open
  bool call_is_open = false;
};

Reader read(std::string_view text, Cut cut, const OutputParserOptions& options,
            TextEnd end = TextEnd::kCutOff) {
  OutputParser parser(options);
  Reader reader;
  for (const std::string_view piece : cut_characters(text, cut))
    for (const OutputEvent& event : parser.append(piece)) std::visit(reader, event);
  for (const OutputEvent& event : parser.finish(end)) std::visit(reader, event);
  return reader;
}

void check_same(const Reader& streamed, const Reader& whole) {
  CHECK(streamed.reasoning == whole.reasoning, "reasoning \"", streamed.reasoning, "\" and \"",
        whole.reasoning, '"');
  CHECK(streamed.content == whole.content, "content \"", streamed.content, "\" and \"",
        whole.content, '"');
  CHECK(streamed.calls.size() == whole.calls.size() && streamed.call_is_open == whole.call_is_open,
        streamed.calls.size(), " and ", whole.calls.size(), " calls");
  for (size_t i = 0; i < whole.calls.size(); ++i) {
    CHECK(streamed.calls[i].name == whole.calls[i].name, "call ", i);
    // An open call's arguments are a part of an object: how much of it may depend on the cut.
    if (i + 1 == whole.calls.size() && whole.call_is_open) break;
    CHECK(streamed.calls[i].arguments == whole.calls[i].arguments, streamed.calls[i].arguments,
          " and ", whole.calls[i].arguments);
  }
}

}  // namespace

void check_input(std::string_view input) {
  const OutputParserOptions options = options_of(take_line(input));
  const std::string text = to_valid_utf8(input);
  const Reader whole = read(text, Cut::kWhole, options);
  for (const Cut cut : {Cut::kEverywhere, Cut::kAnywhere})
    check_same(read(text, cut, options), whole);

  const Reader turn = read(text, Cut::kWhole, options, TextEnd::kEndOfTurn);
  CHECK(!turn.call_is_open, "a call is open behind the end of its turn");
  check_same(read(text, Cut::kEverywhere, options, TextEnd::kEndOfTurn), turn);

  const ParsedOutput parsed = parse_output(text, options);
  CHECK(parsed.reasoning == whole.reasoning && parsed.content == whole.content,
        "parse_output() differs from the events");
  CHECK(parsed.tool_calls.size() == whole.calls.size() - (whole.call_is_open ? 1 : 0),
        parsed.tool_calls.size(), " complete calls");
  if (text.find('<') == std::string::npos) {
    const bool all_reasoning = options.parse_reasoning && options.starts_in_reasoning;
    CHECK((all_reasoning ? whole.reasoning : whole.content) == text, "text without tags is lost");
  }
}

}  // namespace glint
