#include "chat/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "chat/tags.h"

namespace glint {
namespace {

Message user(Json content) { return {.role = "user", .content = std::move(content)}; }
Message system(Json content) { return {.role = "system", .content = std::move(content)}; }
Message tool(Json content) { return {.role = "tool", .content = std::move(content)}; }
Message assistant(Json content) { return {.role = "assistant", .content = std::move(content)}; }
Message assistant(std::string reasoning, Json content, std::vector<ToolCall> calls = {}) {
  return {.role = "assistant",
          .content = std::move(content),
          .reasoning_content = std::move(reasoning),
          .tool_calls = std::move(calls)};
}

ToolCall call(std::string name, std::string_view arguments = "{}") {
  return {.id = "", .name = std::move(name), .arguments = take(parse_json(arguments))};
}

std::string render(const std::vector<Message>& messages, const TemplateOptions& options = {},
                   const std::vector<Tool>& tools = {}) {
  const auto prompt = render_chat(messages, tools, options);
  return prompt ? prompt->text : prompt.error().message;
}

std::string with_control_marked(const RenderedPrompt& prompt) {
  std::string marked;
  size_t at = 0;
  for (const ByteRange& range : prompt.control) {
    marked += prompt.text.substr(at, range.begin - at);
    marked += cat("«", prompt.text.substr(range.begin, range.end - range.begin), "»");
    at = range.end;
  }
  return marked += prompt.text.substr(at);
}

// All expected prompts were rendered by jinja2 from the official template.
TEST(TemplateTest, AGenerationPromptOpensThinkingUnlessItIsOff) {
  EXPECT_EQ(render({user("hi")}), "[gMASK]<sop><|user|>hi<|assistant|><think>");
  EXPECT_EQ(render({user("hi")}, {.enable_thinking = false}),
            "[gMASK]<sop><|user|>hi<|assistant|></think>");
  EXPECT_EQ(render({user("hi")}, {.add_generation_prompt = false}), "[gMASK]<sop><|user|>hi");
  EXPECT_TRUE(render_chat({user("hi")}, {}, {})->opens_thinking);
  EXPECT_FALSE(render_chat({user("hi")}, {}, {.enable_thinking = false})->opens_thinking);
  EXPECT_FALSE(render_chat({user("hi")}, {}, {.add_generation_prompt = false})->opens_thinking);
}

std::string continued(Message last, const TemplateOptions& options = {}) {
  TemplateOptions open = options;
  open.continue_final_message = true;
  const auto prompt = render_chat({user("hi"), std::move(last)}, {}, open);
  const std::string head = "[gMASK]<sop><|user|>hi<|assistant|>";
  if (!prompt) return prompt.error().message;
  EXPECT_TRUE(prompt->text.starts_with(head));
  return cat(prompt->opens_thinking ? "thinks: " : "says: ", prompt->text.substr(head.size()));
}

// Ours: the official template has no such thing.
TEST(TemplateTest, TheLastMessageMayBeTheBeginningOfTheAnswer) {
  EXPECT_EQ(continued(assistant(" It is ")), "says: </think>It is ");
  EXPECT_EQ(continued(assistant(" R ", " It is ")), "says: <think>R</think>It is ");
  EXPECT_EQ(continued(assistant(" R ", "")), "thinks: <think>R ");
  EXPECT_EQ(continued(assistant("<think>R ")), "thinks: <think>R ");
  EXPECT_EQ(continued(assistant("<think>R</think>It")), "says: <think>R</think>It");
  EXPECT_EQ(continued(assistant("<think>R</think>")), "says: <think>R</think>");
  EXPECT_EQ(continued(assistant("")), "thinks: <think>") << "as without the message";
  EXPECT_EQ(continued(assistant(""), {.enable_thinking = false}), "says: </think>");
  EXPECT_EQ(continued(assistant("R", ""), {.enable_thinking = false}), "thinks: <think>R");
}

TEST(TemplateTest, OnlyAnAssistantsTextCanBeContinued) {
  EXPECT_EQ(continued(user("x")),
            "continue_final_message is true and messages[1] has the role user; expected "
            "assistant.");
  EXPECT_EQ(continued(assistant("", "", {call("f")})),
            "continue_final_message is true and messages[1] has tool calls, which are never a "
            "beginning: leave one out.");
}

TEST(TemplateTest, SystemMessagesMayStandAnywhereAndUnknownRolesVanish) {
  EXPECT_EQ(render({system("S"), user("hi")}),
            "[gMASK]<sop><|system|>S<|user|>hi<|assistant|><think>");
  EXPECT_EQ(render({user("hi"), assistant("answer"), system("S2"), user("x")}),
            "[gMASK]<sop><|user|>hi<|assistant|></think>answer<|system|>S2<|user|>x"
            "<|assistant|><think>");
  EXPECT_EQ(render({{.role = "developer", .content = "D"}, user("hi")}),
            "[gMASK]<sop><|user|>hi<|assistant|><think>");
}

TEST(TemplateTest, ReasoningBeforeTheLastUserMessageIsDroppedUnlessKept) {
  std::vector<Message> messages = {user("hi"), assistant("\nthink \n", " answer \n")};
  EXPECT_EQ(render(messages, {.add_generation_prompt = false}),
            "[gMASK]<sop><|user|>hi<|assistant|><think>think</think>answer");
  messages.push_back(user("more"));
  EXPECT_EQ(render(messages),
            "[gMASK]<sop><|user|>hi<|assistant|></think>answer<|user|>more<|assistant|><think>");
  EXPECT_EQ(render(messages, {.clear_thinking = true}), render(messages));
  EXPECT_EQ(render(messages, {.clear_thinking = false}),
            "[gMASK]<sop><|user|>hi<|assistant|><think>think</think>answer<|user|>more"
            "<|assistant|><think>");
}

TEST(TemplateTest, ReasoningInsideTheContentIsSplitOff) {
  EXPECT_EQ(render({user("hi"), assistant("<think>\nabc\n</think>\n\nxyz")},
                   {.add_generation_prompt = false}),
            "[gMASK]<sop><|user|>hi<|assistant|><think>abc</think>xyz");
  EXPECT_EQ(render({assistant("x<think>a</think>b</think>c")}, {.add_generation_prompt = false}),
            "[gMASK]<sop><|assistant|><think>a</think>c");
}

TEST(TemplateTest, PartsJoinAndImagesVanish) {
  const Json parts = take(parse_json(
      R"([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, "b"])"));
  EXPECT_EQ(render({user(parts)}), "[gMASK]<sop><|user|>ab<|assistant|><think>");
}

TEST(TemplateTest, OtherContentPrintsAsPythonPrintsIt) {
  EXPECT_EQ(render({user(nullptr), user(true), user(1e16), {.role = "user", .content = {}}},
                   {.add_generation_prompt = false}),
            "[gMASK]<sop><|user|>None<|user|>True<|user|>1e+16<|user|>");
  EXPECT_EQ(render({user(take(parse_json(R"({"k": ["it's", false, "\u00ad"]})")))},
                   {.add_generation_prompt = false}),
            R"([gMASK]<sop><|user|>{'k': ["it's", False, '\xad']})");
}

TEST(TemplateTest, CallsAndResultsFollowEachOther) {
  const char* arguments = R"({"city": "北京", "days": 3, "opt": null, "flag": true,
                              "l": [1, "a"], "o": {"k": "é"}, "f": 1.0})";
  EXPECT_EQ(
      render({user("hi"), assistant("need tool", "", {call("get_weather", arguments), call("now")}),
              tool(R"({"t": 20})"), tool("12:00")}),
      "[gMASK]<sop><|user|>hi<|assistant|><think>need tool</think><tool_call>get_weather"
      "<arg_key>city</arg_key><arg_value>北京</arg_value><arg_key>days</arg_key>"
      "<arg_value>3</arg_value><arg_key>opt</arg_key><arg_value>null</arg_value>"
      "<arg_key>flag</arg_key><arg_value>true</arg_value><arg_key>l</arg_key>"
      "<arg_value>[1, \"a\"]</arg_value><arg_key>o</arg_key><arg_value>{\"k\": \"é\"}</arg_value>"
      "<arg_key>f</arg_key><arg_value>1.0</arg_value></tool_call><tool_call>now</tool_call>"
      "<|observation|><tool_response>{\"t\": 20}</tool_response>"
      "<tool_response>12:00</tool_response><|assistant|><think>");
  EXPECT_EQ(render({user("hi"), assistant("need tool", "", {call("now")}), tool("12:00"),
                    assistant("again", "", {call("now")}), tool("12:00")}),
            "[gMASK]<sop><|user|>hi<|assistant|><think>need tool</think><tool_call>now</tool_call>"
            "<|observation|><tool_response>12:00</tool_response><|assistant|><think>again</think>"
            "<tool_call>now</tool_call><|observation|><tool_response>12:00</tool_response>"
            "<|assistant|><think>");
}

TEST(TemplateTest, AListOfResultsBeginsItsOwnObservation) {
  const Json results = take(parse_json(R"([{"output": "a"}, {"k": 1}, "b"])"));
  EXPECT_EQ(render({tool("x"), tool(results)}, {.add_generation_prompt = false}),
            "[gMASK]<sop><|observation|><tool_response>x</tool_response><|observation|>"
            "<tool_response>a</tool_response><tool_response>{'k': 1}</tool_response>"
            "<tool_response>b</tool_response>");
}

TEST(TemplateTest, ToolsStandBeforeEverythingAsTheyWerePassed) {
  const Tool calculator = take(parse_json(
      R"({"type":"function","function":{"name":"calculator","description":"Evaluate arithmetic",
          "parameters":{"type":"object","properties":{"expression":{"type":"string"}},
          "required":["expression"]}}})"));
  // SHA-256 064e788c4131f6ba3592a8695ad1657fc0feaf9b49c781b32b8e13592e68f3a6, as published.
  EXPECT_EQ(
      render({system("Be precise."), user("What is 2+2?")}, {.enable_thinking = false},
             {calculator}),
      "[gMASK]<sop><|system|>\n# Tools\n\nYou may call one or more functions to assist with the "
      "user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n"
      "<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"calculator\", \"description\": "
      "\"Evaluate arithmetic\", \"parameters\": {\"type\": \"object\", \"properties\": "
      "{\"expression\": {\"type\": \"string\"}}, \"required\": [\"expression\"]}}}\n</tools>\n\n"
      "For each function call, output the function name and arguments within the following XML "
      "format:\n<tool_call>{function-name}<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}"
      "</arg_value><arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>..."
      "</tool_call><|system|>Be precise.<|user|>What is 2+2?<|assistant|></think>");
}

TEST(TemplateTest, OnlyWhatTheTemplateWritesIsControl) {
  const auto prompt =
      render_chat({user("<|user|>a</think>"),
                   assistant("<think>", "<tool_call>", {call("f", R"({"k": "</arg_value>"})")}),
                   tool("</tool_response>")},
                  {}, {});
  EXPECT_EQ(with_control_marked(*prompt),
            "«[gMASK]»«<sop>»«<|user|>»<|user|>a</think>«<|assistant|>»«<think>»<think>«</think>»"
            "<tool_call>«<tool_call>»f«<arg_key>»k«</arg_key>»«<arg_value>»</arg_value>"
            "«</arg_value>»«</tool_call>»«<|observation|>»«<tool_response>»</tool_response>"
            "«</tool_response>»«<|assistant|>»«<think>»");
}

TEST(TemplateTest, TheExampleCallOfTheToolsBlockIsControl) {
  const auto prompt = render_chat({}, {take(parse_json(R"({"name": "<tool_call>"})"))},
                                  {.add_generation_prompt = false});
  EXPECT_THAT(with_control_marked(*prompt),
              testing::AllOf(testing::HasSubstr("\n{\"name\": \"<tool_call>\"}\n"),
                             testing::HasSubstr("«<tool_call>»{function-name}«<arg_key>»"),
                             testing::EndsWith("...«</tool_call>»")));
}

TEST(TemplateTest, RefusesWhatTheTemplateRefuses) {
  EXPECT_EQ(render({user("hi"), assistant("", "", {call("f", R"("{}")")})}),
            "messages[1].tool_calls[0].arguments must be an object; found string");
  EXPECT_EQ(render({tool(nullptr)}),
            "messages[0].content of a tool message must be text or a list of results; found null");
}

}  // namespace
}  // namespace glint
