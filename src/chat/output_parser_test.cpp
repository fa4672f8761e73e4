#include "chat/output_parser.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace glint {
namespace {

// Events as text, neighbours joined: R(...) C(...) [name {...}] and, for a call that is not whole,
// [name {... without the bracket.
struct Transcript {
  void operator()(const ReasoningDelta& delta) { add_text('R', delta.text); }
  void operator()(const ContentDelta& delta) { add_text('C', delta.text); }
  void operator()(const ToolCallBegin& begin) {
    close();
    text += cat("[", begin.index, " ", begin.name, " ");
  }
  void operator()(const ToolCallArguments& arguments) { text += arguments.fragment; }
  void operator()(const ToolCallEnd&) { text += "]"; }

  void add_text(char kind, const std::string& piece) {
    if (open != kind) {
      close();
      text += kind;
      text += '(';
      open = kind;
    }
    text += piece;
  }
  void close() {
    if (open) text += ")";
    open = 0;
  }

  std::string text;
  char open = 0;
};

std::vector<Tool> tools() {
  return {take(parse_json(R"({"type": "function", "function": {"name": "f", "parameters": {
    "type": "object",
    "properties": {
      "s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"},
      "b": {"type": "boolean"}, "z": {"type": "null"}, "a": {"type": "array"},
      "o": {"type": "object"}, "os": {"type": ["string", "null"]},
      "u": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "array"}]}}}}})")),
          take(parse_json(R"({"type": "function", "function": {"name": "now"}})"))};
}

OutputParserOptions thinking() { return {.tools = tools()}; }
OutputParserOptions no_thinking() { return {.starts_in_reasoning = false, .tools = tools()}; }

// `text` handed over in pieces that end at `cuts`.
std::string parse_cut(std::string_view text, const OutputParserOptions& options,
                      const std::vector<size_t>& cuts, TextEnd end = TextEnd::kCutOff) {
  OutputParser parser(options);
  Transcript transcript;
  const auto add = [&](const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) std::visit(transcript, event);
  };
  size_t begin = 0;
  for (const size_t cut : cuts) {
    add(parser.append(text.substr(begin, cut - begin)));
    begin = cut;
  }
  add(parser.append(text.substr(begin)));
  add(parser.finish(end));
  transcript.close();
  return transcript.text;
}

std::vector<size_t> every_byte(std::string_view text) {
  std::vector<size_t> cuts;
  for (size_t i = 1; i < text.size(); ++i) cuts.push_back(i);
  return cuts;
}

// The events of the whole, after checking that every cut, and single bytes, give the same.
std::string parse(std::string_view text, const OutputParserOptions& options,
                  TextEnd end = TextEnd::kCutOff) {
  const std::string whole = parse_cut(text, options, {}, end);
  for (size_t cut = 1; cut < text.size(); ++cut) {
    EXPECT_EQ(parse_cut(text, options, {cut}, end), whole) << "cut at " << cut << ": " << text;
  }
  EXPECT_EQ(parse_cut(text, options, every_byte(text), end), whole) << text;
  return whole;
}

std::string pair(std::string_view key, std::string_view value) {
  return cat("<arg_key>", key, "</arg_key><arg_value>", value, "</arg_value>");
}

std::string call_f(std::string_view key, std::string_view value) {
  return parse(cat("<tool_call>f", pair(key, value), "</tool_call>"), no_thinking());
}

TEST(OutputParserTest, ReasoningEndsAtItsTag) {
  EXPECT_EQ(parse("abc</think>hello", thinking()), "R(abc)C(hello)");
  EXPECT_EQ(parse("abc", thinking()), "R(abc)");
  EXPECT_EQ(parse("</think>hello", thinking()), "C(hello)");
  EXPECT_EQ(parse("", thinking()), "");
  EXPECT_EQ(parse(" a \n</think>\n\nb \n", thinking()), "R( a \n)C(\n\nb \n)");
}

TEST(OutputParserTest, ARepeatedThinkTagIsDropped) {
  EXPECT_EQ(parse("<think>abc</think>x", thinking()), "R(abc)C(x)");
  EXPECT_EQ(parse("<think><think>a<think>b</think>x", thinking()), "R(ab)C(x)");
}

TEST(OutputParserTest, ACutTagAtTheEndIsText) {
  EXPECT_EQ(parse("abc</thi", thinking()), "R(abc</thi)");
  EXPECT_EQ(parse("a < b</think>c <", thinking()), "R(a < b)C(c <)");
}

TEST(OutputParserTest, ACallEndsReasoningThatForgotItsTag) {
  EXPECT_EQ(parse("need it<tool_call>now</tool_call>", thinking()), "R(need it)[0 now {}]");
  EXPECT_EQ(parse("need it<tool_call>g" + pair("k", "1") + "</tool_call>", thinking()),
            "R(need it)[0 g {\"k\":1}]");
}

TEST(OutputParserTest, ReasoningMayMentionTheFormat) {
  EXPECT_EQ(parse("use <tool_call> here</think>ok", thinking()), "R(use <tool_call> here)C(ok)");
  EXPECT_EQ(parse("wrap <tool_call>name</tool_call></think>ok", thinking()),
            "R(wrap <tool_call>name</tool_call>)C(ok)");
  EXPECT_EQ(parse("<tool_call>{function-name}<arg_key></think>ok", thinking()),
            "R(<tool_call>{function-name}<arg_key>)C(ok)");
}

TEST(OutputParserTest, WithoutThinkingAllIsContent) {
  EXPECT_EQ(parse("hello", no_thinking()), "C(hello)");
  EXPECT_EQ(parse("a</think>b", no_thinking()), "C(ab)");
  EXPECT_EQ(parse("<think>r</think>c", no_thinking()), "R(r)C(c)");
  EXPECT_EQ(parse("say <think>x</think> y</think>", no_thinking()), "C(say <think>x</think> y)");
}

TEST(OutputParserTest, PartsCanBeSwitchedOff) {
  const OutputParserOptions raw = {.parse_reasoning = false, .parse_tool_calls = false};
  const std::string text = "r</think>c<tool_call>now</tool_call> ";
  EXPECT_EQ(parse(text, raw), cat("C(", text, ")"));
  EXPECT_EQ(parse(text, {.parse_tool_calls = false}), "R(r)C(c<tool_call>now</tool_call> )");
  EXPECT_EQ(parse(text, {.parse_reasoning = false}), "C(r</think>c)[0 now {}]");
}

TEST(OutputParserTest, TextValuesKeepTheirBlanks) {
  EXPECT_EQ(
      parse("r</think>Let me check.<tool_call>f" + pair("s", " x\n") + "</tool_call>", thinking()),
      R"(R(r)C(Let me check.)[0 f {"s":" x\n"}])");
}

TEST(OutputParserTest, BlanksBetweenTagsAreLayout) {
  EXPECT_EQ(parse("<tool_call>f\n<arg_key>i</arg_key>\n<arg_value>1</arg_value>\n</tool_call>\n",
                  no_thinking()),
            R"([0 f {"i":1}])");
  EXPECT_EQ(parse("<tool_call> f <arg_key> i </arg_key>\\n<arg_value>1</arg_value>\\n</tool_call>",
                  no_thinking()),
            R"([0 f {"i":1}])");
  EXPECT_EQ(parse("\n<tool_call>now</tool_call>\n\n<tool_call>now</tool_call>\n", no_thinking()),
            "[0 now {}][1 now {}]");
  EXPECT_EQ(parse("A. \n<tool_call>now</tool_call>\nB.", no_thinking()),
            "C(A.)[0 now {}]C( \n\nB.)");
}

TEST(OutputParserTest, ValuesAreTypedByTheSchema) {
  EXPECT_EQ(call_f("i", "3"), R"([0 f {"i":3}])");
  EXPECT_EQ(call_f("n", "1.0"), R"([0 f {"n":1.0}])");
  EXPECT_EQ(call_f("b", "true"), R"([0 f {"b":true}])");
  EXPECT_EQ(call_f("a", "[1, 2]"), R"([0 f {"a":[1,2]}])");
  EXPECT_EQ(call_f("o", R"({"k": {"x": null}})"), R"([0 f {"o":{"k":{"x":null}}}])");
  EXPECT_EQ(call_f("z", "null"), R"([0 f {"z":null}])");
  EXPECT_EQ(call_f("s", "123"), R"([0 f {"s":"123"}])");
  EXPECT_EQ(call_f("s", "true"), R"([0 f {"s":"true"}])");
  EXPECT_EQ(call_f("s", R"({"a":1})"), R"([0 f {"s":"{\"a\":1}"}])");
  EXPECT_EQ(call_f("other", "[1]"), R"([0 f {"other":[1]}])");
  EXPECT_EQ(call_f("other", "one"), R"([0 f {"other":"one"}])");
  EXPECT_EQ(call_f("os", "null"), R"([0 f {"os":null}])");
  EXPECT_EQ(call_f("os", "nulls"), R"([0 f {"os":"nulls"}])");
  EXPECT_EQ(call_f("u", "12"), R"([0 f {"u":12}])");
  EXPECT_EQ(call_f("u", "12 apples"), R"([0 f {"u":"12 apples"}])");
}

TEST(OutputParserTest, AValueMayHoldAnyTagButItsOwnEnd) {
  for (const char* value :
       {"a</arg", "<tool_call>", "</tool_call>", "x</tool_call>y</think>z", "\"\\'\t",
        "\xE5\x8C\x97\xE4\xBA\xAC\xF0\x9F\x98\x80", "", "</tool_call><tool_call>f",
        "<arg_key>k</arg_key>", "<arg_key>k</arg_key><arg_value>", "</arg_value", "<think>"}) {
    EXPECT_EQ(call_f("s", value), cat("[0 f {\"s\":", to_json_text(Json(value)), "}]"));
  }
}

TEST(OutputParserTest, CallsFollowEachOther) {
  const std::string one = "<tool_call>f" + pair("i", "1") + pair("s", "x") + "</tool_call>";
  EXPECT_EQ(parse("r" + one + one + "<tool_call>now</tool_call>", thinking()),
            R"(R(r)[0 f {"i":1,"s":"x"}][1 f {"i":1,"s":"x"}][2 now {}])");
}

TEST(OutputParserTest, ACutCallIsLeftOpen) {
  EXPECT_EQ(parse("c<tool_call>", no_thinking()), "C(c)");
  EXPECT_EQ(parse("c<tool_call>f", no_thinking()), "C(c)");
  EXPECT_EQ(parse("<tool_call>f<arg_key>s", no_thinking()), "[0 f ");
  EXPECT_EQ(parse("<tool_call>f<arg_key>s</arg_key>", no_thinking()), "[0 f ");
  EXPECT_EQ(parse("<tool_call>f<arg_key>s</arg_key><arg_value>a\nb</arg_v", no_thinking()),
            R"([0 f {"s":"a\nb)");
  EXPECT_EQ(parse("<tool_call>f" + pair("i", "1"), no_thinking()), R"([0 f {"i":1)");
  EXPECT_TRUE(parse_output("<tool_call>f" + pair("i", "1"), no_thinking()).tool_calls.empty());
}

TEST(OutputParserTest, ACallInWhichTheTurnEndsIsClosed) {
  const auto turn = [](std::string_view text) {
    return parse(text, no_thinking(), TextEnd::kEndOfTurn);
  };
  EXPECT_EQ(turn("<tool_call>f" + pair("i", "1")), R"([0 f {"i":1}])");
  EXPECT_EQ(turn("<tool_call>f" + pair("i", "1") + "</tool_c"), R"([0 f {"i":1}])");
  EXPECT_EQ(turn("<tool_call>f<arg_key>s</arg_key><arg_value>a\nb</arg_v"),
            R"([0 f {"s":"a\nb"}])");
  EXPECT_EQ(turn("<tool_call>f<arg_key>i</arg_key><arg_value>17"), R"([0 f {"i":17}])");
  EXPECT_EQ(turn("<tool_call>f<arg_key>i</arg_key><arg_value>"), R"([0 f {"i":""}])");
  EXPECT_EQ(turn("<tool_call>f" + pair("i", "1") + "<arg_key>s</arg_key>"), R"([0 f {"i":1}])");
  EXPECT_EQ(turn("<tool_call>f<arg_key>s"), "[0 f {}]");
  EXPECT_EQ(turn("c<tool_call>now"), "C(c)[0 now {}]");
  EXPECT_EQ(turn("c<tool_call>no"), "C(c)");
  EXPECT_EQ(turn("c<tool_call>"), "C(c)");
  EXPECT_EQ(turn(R"(<tool_call>f{"i": 1})"), R"([0 f {"i":1}])");
  EXPECT_EQ(turn(R"(<tool_call>f{"i": 1)"), R"(C(f{"i": 1))");
  EXPECT_EQ(turn("<tool_call>now</tool_call>"), "[0 now {}]");
}

TEST(OutputParserTest, UnknownToolsGoThroughAndNamelessOnesDoNot) {
  EXPECT_EQ(parse("<tool_call> who <arg_key>k</arg_key><arg_value>1</arg_value></tool_call>",
                  no_thinking()),
            R"([0 who {"k":1}])");
  EXPECT_EQ(parse("<tool_call></tool_call>a", no_thinking()), "C(a)");
  EXPECT_EQ(parse("<tool_call>" + pair("s", "x") + "</tool_call><tool_call>now</tool_call>",
                  no_thinking()),
            "[0 now {}]");
  EXPECT_EQ(parse("a</tool_call>b", no_thinking()), "C(ab)");
}

TEST(OutputParserTest, OfADoubledKeyReadersKeepTheLastValue) {
  const std::string text = "<tool_call>f" + pair("s", "1") + pair("s", "2") + "</tool_call>";
  EXPECT_EQ(parse(text, no_thinking()), R"([0 f {"s":"1","s":"2"}])");
  const auto arguments = parse_json(parse_output(text, no_thinking()).tool_calls.at(0).arguments);
  EXPECT_EQ(to_json_text(*arguments), R"({"s":"2"})");
}

TEST(OutputParserTest, ForgivesMissingTags) {
  EXPECT_EQ(parse("<tool_call>f\ni</arg_key><arg_value>1</arg_value></tool_call>", no_thinking()),
            R"([0 f {"i":1}])");
  EXPECT_EQ(
      parse("<tool_call>f" + pair("i", "1") + "b</arg_key><arg_value>true</arg_value></tool_call>",
            no_thinking()),
      R"([0 f {"i":1,"b":true}])");
  EXPECT_EQ(parse("<tool_call>f<arg_key>i<arg_value>1</arg_value></tool_call>", no_thinking()),
            R"([0 f {"i":1}])");
  EXPECT_EQ(parse("<tool_call>f<arg_key>i</arg_key>1</arg_value></tool_call>", no_thinking()),
            R"([0 f {"i":1}])");
  EXPECT_EQ(parse("<tool_call>f<arg_key>i</arg_key></tool_call>", no_thinking()), "[0 f {}]");
  EXPECT_EQ(parse("<tool_call>f<arg_key>i</arg_key><arg_value>1" + pair("s", "x") + "</tool_call>",
                  no_thinking()),
            R"([0 f {"i":1,"s":"x"}])");
  EXPECT_EQ(parse("<tool_call>f<arg_key>s</arg_key><arg_value>x</tool_call>\n", no_thinking()),
            R"([0 f {"s":"x"}])");
  EXPECT_EQ(parse("<tool_call>f<arg_key>s</arg_key><arg_value>x</tool_call><tool_call>f" +
                      pair("i", "2") + "</tool_call>",
                  no_thinking()),
            R"([0 f {"s":"x"}][1 f {"i":2}])");
  EXPECT_EQ(parse("<tool_call>f" + pair("i", "1") + "<tool_call>now</tool_call>", no_thinking()),
            R"([0 f {"i":1}][1 now {}])");
}

TEST(OutputParserTest, TakesJsonInThePlaceOfPairs) {
  EXPECT_EQ(parse(R"(<tool_call>f{"s": "</tool_call>", "i": 1}</tool_call>)", no_thinking()),
            R"([0 f {"s":"</tool_call>","i":1}])");
  EXPECT_EQ(
      parse("<tool_call>{\"name\": \"f\", \"arguments\": {\"i\": 1}}\n</tool_call>", no_thinking()),
      R"([0 f {"i":1}])");
  EXPECT_EQ(parse(R"(<tool_call>f{"i": 1,</tool_call>x)", no_thinking()), R"(C(f{"i": 1,x))");
  EXPECT_EQ(parse(R"(<tool_call>f{"i": 1)", no_thinking()), "");
}

// Random texts of the format's pieces: however they are cut, the events are the same, and the
// arguments of complete calls are JSON objects.
TEST(OutputParserTest, RandomTextsGiveTheSameEventsHoweverCut) {
  const std::vector<std::string> pieces = {"<tool_call>",
                                           "</tool_call>",
                                           "<arg_key>",
                                           "</arg_key>",
                                           "<arg_value>",
                                           "</arg_value>",
                                           "<think>",
                                           "</think>",
                                           "f",
                                           "now",
                                           "s",
                                           "i",
                                           "os",
                                           "u",
                                           "1",
                                           "true",
                                           "{\"a\": 1}",
                                           "{",
                                           "\"",
                                           "\\",
                                           "\\n",
                                           "\n",
                                           " ",
                                           "<",
                                           "</",
                                           "null",
                                           "\xC3\xA9",
                                           "text",
                                           "</arg_va",
                                           "<tool_call>f",
                                           pair("s", "x"),
                                           pair("i", "2"),
                                           pair("u", "[1]"),
                                           "<arg_key>os</arg_key><arg_value>"};
  std::mt19937 random(20260101);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t n = below(24); n > 0; --n) text += pieces[below(pieces.size())];
    OutputParserOptions options = {.parse_reasoning = below(8) != 0,
                                   .parse_tool_calls = below(8) != 0,
                                   .starts_in_reasoning = below(2) != 0};
    if (below(4) != 0) options.tools = tools();
    const TextEnd end = below(2) != 0 ? TextEnd::kEndOfTurn : TextEnd::kCutOff;
    const std::string whole = parse_cut(text, options, {}, end);
    ASSERT_EQ(parse_cut(text, options, every_byte(text), end), whole)
        << "round " << round << ": " << text;
    for (int i = 0; i < 4 && text.size() > 1; ++i) {
      const size_t cut = 1 + below(text.size() - 1);
      ASSERT_EQ(parse_cut(text, options, {cut}, end), whole) << "cut " << cut << ": " << text;
    }
    for (const auto& call : parse_output(text, options).tool_calls) {
      const auto arguments = parse_json(call.arguments);
      ASSERT_TRUE(arguments && arguments->is_object()) << call.arguments << " of " << text;
      ASSERT_FALSE(call.name.empty()) << text;
    }
  }
}

}  // namespace
}  // namespace glint
