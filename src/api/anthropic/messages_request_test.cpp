// Anthropic's bodies as the prompt that the model sees, and what is refused.

#include "api/anthropic/messages_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_harness.h"

namespace glint {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kMessages = "/v1/messages";

ChatRequest parsed(ApiHarness& api, const std::string& body) {
  Result<ChatRequest> request =
      parse_messages_request(Json::parse(body), MessagesUse::kCount, api.context);
  EXPECT_TRUE(request) << request.error().message;
  return *std::move(request);
}

std::string prompt(ApiHarness& api, const std::string& body) {
  const ChatRequest request = parsed(api, body);
  return render_chat(request.messages, request.tools, request.template_options)->text;
}

std::string prompt(const std::string& body) {
  ApiHarness api;
  return prompt(api, body);
}

TEST(MessagesRequestTest, SystemBlocksStandInFrontJoinedByLines) {
  EXPECT_EQ(prompt(R"({"system":[{"type":"text","text":"Be kind."},
                                 {"type":"text","text":"Be brief.",
                                  "cache_control":{"type":"ephemeral"}}],
                       "messages":[{"role":"user","content":"Hi"}]})"),
            "[gMASK]<sop><|system|>Be kind.\nBe brief.<|user|>Hi<|assistant|><think>");
}

TEST(MessagesRequestTest, ASystemMessageMayStandAmongTheOthers) {
  EXPECT_EQ(prompt(R"({"system":"One.","messages":[{"role":"user","content":"Hi"},
                       {"role":"system","content":[{"type":"text","text":"Two."}]}]})"),
            "[gMASK]<sop><|system|>One.<|user|>Hi<|system|>Two.<|assistant|><think>");
}

TEST(MessagesRequestTest, ToolResultsComeBeforeTheTextOfTheirTurn) {
  const std::string text = prompt(R"({"messages":[
    {"role":"user","content":"Weather?"},
    {"role":"assistant","content":[
      {"type":"thinking","thinking":"Look.","signature":"s"},
      {"type":"redacted_thinking","data":"x"},
      {"type":"text","text":"One moment."},
      {"type":"tool_use","id":"a","name":"get_weather","input":{"city":"Rome","days":2}},
      {"type":"server_tool_use","id":"c","name":"web_search","input":{}},
      {"type":"web_search_tool_result","tool_use_id":"c","content":[]},
      {"type":"tool_use","id":"b","name":"now","input":{}}]},
    {"role":"user","content":[
      {"type":"text","text":"Be quick."},
      {"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"Sun"},
                                                         {"type":"text","text":"22"}]},
      {"type":"tool_result","tool_use_id":"b","is_error":true,"content":"No clock."}]}]})");
  EXPECT_EQ(text,
            "[gMASK]<sop><|user|>Weather?<|assistant|><think>Look.</think>One moment."
            "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Rome</arg_value>"
            "<arg_key>days</arg_key><arg_value>2</arg_value></tool_call>"
            "<tool_call>now</tool_call>"
            "<|observation|><tool_response>Sun\n22</tool_response>"
            "<tool_response>No clock.</tool_response>"
            "<|user|>Be quick.<|assistant|><think>");
}

TEST(MessagesRequestTest, DocumentsAndSearchResultsBecomeText) {
  EXPECT_THAT(prompt(R"({"messages":[{"role":"user","content":[
                {"type":"document","title":"Notes",
                 "source":{"type":"text","media_type":"text/plain","data":"All."}},
                {"type":"document",
                 "source":{"type":"content","content":[{"type":"text","text":"More."}]}},
                {"type":"search_result","source":"http://a","title":"A",
                 "content":[{"type":"text","text":"Found."}]},
                {"type":"tool_reference","tool_name":"grep"}]}]})"),
              HasSubstr("<|user|>Notes\nAll.More.A\nhttp://a\nFound.grep<|assistant|>"));
}

TEST(MessagesRequestTest, ToolsKeepTheKeysOfTheirSchemasInOrder) {
  const std::string text = prompt(R"({"tools":[
    {"input_schema":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}}},
     "name":"f","description":"Does f.","cache_control":{"type":"ephemeral"}},
    {"type":"web_search_20250305","name":"web_search"}],
    "messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_THAT(text, HasSubstr(R"({"type": "function", "function": {"name": "f", "description": )"
                              R"("Does f.", "parameters": {"type": "object", "properties": )"
                              R"({"z": {"type": "string"}, "a": {"type": "integer"}}}}})"));
  EXPECT_THAT(text, Not(HasSubstr("web_search")));
}

TEST(MessagesRequestTest, AToolChoiceMayForceATool) {
  ApiHarness api;
  const auto choice = [&](const std::string& text) {
    return parsed(api, R"({"messages":[{"role":"user","content":"Hi"}],
      "tools":[{"name":"f","input_schema":{}}],"tool_choice":)" +
                           text + "}")
        .tool_choice;
  };
  EXPECT_EQ(choice(R"({"type":"auto"})").mode, ToolChoice::kAuto);
  EXPECT_EQ(choice(R"({"type":"none"})").mode, ToolChoice::kNone);
  EXPECT_EQ(choice(R"({"type":"any"})").mode, ToolChoice::kRequired);
  EXPECT_EQ(choice(R"({"type":"tool","name":"f"})").mode, ToolChoice::kNamed);
  EXPECT_EQ(choice(R"({"type":"tool","name":"f"})").name, "f");
}

TEST(MessagesRequestTest, ThinkingSentBackStaysUnlessTheClientClearsIt) {
  const std::string messages = R"("messages":[{"role":"user","content":"1"},
    {"role":"assistant","content":[{"type":"thinking","thinking":"Why","signature":""},
                                   {"type":"text","text":"2"}]},
    {"role":"user","content":"3"}]})";
  const auto edit = [&](const std::string& keep) {
    return R"({"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":)" + keep +
           "}]}," + messages;
  };
  EXPECT_THAT(prompt("{" + messages), HasSubstr("<think>Why</think>2"));
  EXPECT_THAT(prompt(edit(R"("all")")), HasSubstr("<think>Why</think>2"));
  EXPECT_THAT(prompt(edit(R"({"type":"thinking_turns","value":1})")),
              HasSubstr("<|assistant|></think>2"));
  EXPECT_THAT(prompt(R"({"chat_template_kwargs":{"clear_thinking":true},)" + messages),
              HasSubstr("<|assistant|></think>2"));
}

TEST(MessagesRequestTest, ThinkingIsOnUnlessDisabled) {
  const std::string messages = R"("messages":[{"role":"user","content":"Hi"}]})";
  EXPECT_THAT(prompt("{" + messages), EndsWith("<think>"));
  EXPECT_THAT(prompt(R"({"thinking":{"type":"adaptive"},)" + messages), EndsWith("<think>"));
  EXPECT_THAT(prompt(R"({"thinking":{"type":"disabled"},)" + messages),
              EndsWith("<|assistant|></think>"));
  ApiHarness api;
  const std::string budget = R"({"thinking":{"type":"enabled","budget_tokens":1024},)";
  EXPECT_EQ(parsed(api, budget + messages).thinking.budget, 1024);
  EXPECT_EQ(parsed(api, "{" + messages).thinking.budget, std::nullopt);
}

TEST(MessagesRequestTest, AnAssistantMessageAtTheEndIsContinued) {
  EXPECT_THAT(prompt(R"({"messages":[{"role":"user","content":"Hi"},
                                     {"role":"assistant","content":"Hello, my"}]})"),
              EndsWith("<|user|>Hi<|assistant|></think>Hello, my"));
}

constexpr const char* kBilled = R"({"system":[
  {"type":"text","text":"x-anthropic-billing-header: cc_version=2.1; cch=1f3a;"},
  {"type":"text","text":"You are Claude Code."}],"messages":[{"role":"user","content":"Hi"}]})";

TEST(MessagesRequestTest, TheBillingHeaderIsNotPartOfThePrompt) {
  const std::string without = "[gMASK]<sop><|system|>You are Claude Code.<|user|>Hi";
  EXPECT_THAT(prompt(kBilled), testing::StartsWith(without));
  EXPECT_THAT(prompt(R"({"system":"x-anthropic-billing-header: a;\nYou are Claude Code.",
                         "messages":[{"role":"user","content":"Hi"}]})"),
              testing::StartsWith(without));
  EXPECT_THAT(prompt(R"({"system":"x-anthropic-billing-header: a;",
                         "messages":[{"role":"user","content":"Hi"}]})"),
              testing::StartsWith("[gMASK]<sop><|user|>Hi"));
}

TEST(MessagesRequestTest, OnlyTheFirstLineCanBeABillingHeader) {
  EXPECT_THAT(prompt(R"({"system":"Be kind.\nx-anthropic-billing-header: a;",
                         "messages":[{"role":"user",
                                      "content":"x-anthropic-billing-header: b;"}]})"),
              HasSubstr("<|system|>Be kind.\nx-anthropic-billing-header: a;"
                        "<|user|>x-anthropic-billing-header: b;"));
}

TEST(MessagesRequestTest, AnOperatorMayKeepTheBillingHeader) {
  ApiHarness api;
  api.context.options.keep_billing_header = true;
  EXPECT_THAT(prompt(api, kBilled), HasSubstr("<|system|>x-anthropic-billing-header: cc_version"));
}

TEST(MessagesRequestTest, OpenAisSystemMessageLosesTheBillingHeaderToo) {
  ApiHarness api;
  const auto parse = [&](const std::string& system) {
    const Json body = Json::parse(R"({"messages":[{"role":"system","content":)" + system +
                                  R"(},{"role":"user","content":"Hi"}]})");
    return parse_chat_request(body, api.context)->messages;
  };
  EXPECT_EQ(parse(R"("x-anthropic-billing-header: a;\nBe kind.")")[0].content, "Be kind.");
  const std::vector<Message> parts =
      parse(R"([{"type":"text","text":"x-anthropic-billing-header: a;"},
                {"type":"text","text":"Be kind."}])");
  ASSERT_EQ(parts[0].content->size(), 1u);
  EXPECT_EQ((*parts[0].content)[0]["text"], "Be kind.");
  EXPECT_EQ(parse(R"("x-anthropic-billing-header: a;")")[0].role, "user");
}

struct Refusal {
  const char* name;
  std::string body;
  const char* message;  // a part of it
};

std::string user(const std::string& blocks, const std::string& more = "") {
  return R"({"max_tokens":5,"messages":[{"role":"user","content":)" + blocks + "}]" + more + "}";
}
std::string assistant(const std::string& block) {
  return R"({"max_tokens":5,"messages":[{"role":"assistant","content":[)" + block + "]}]}";
}

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> all = {
      {"malformed", "{", "not valid JSON"},
      {"no_messages", R"({"max_tokens":5})", "messages is missing"},
      {"no_max_tokens", R"({"messages":[{"role":"user","content":"Hi"}]})",
       "max_tokens is missing"},
      {"role", R"({"max_tokens":5,"messages":[{"role":"tool","content":"Hi"}]})",
       "messages[0].role is \"tool\""},
      {"message", R"({"max_tokens":5,"messages":["Hi"]})", "messages[0] is \"Hi\""},
      {"no_content", R"({"max_tokens":5,"messages":[{"role":"user"}]})",
       "messages[0].content is missing"},
      {"system", user(R"("Hi")", R"(,"system":7)"), "system is 7"},
      {"system_block", user(R"("Hi")", R"(,"system":["Hi"])"), "system[0] is \"Hi\""},
      {"image", user(R"([{"type":"image","source":{}}])"),
       "messages[0].content[0] is an image; this model takes text input only."},
      {"image_in_result",
       user(R"([{"type":"tool_result","tool_use_id":"a","content":[{"type":"image"}]}])"),
       "messages[0].content[0].content[0] is an image"},
      {"pdf", user(R"([{"type":"document","source":{"type":"base64","data":"x"}}])"),
       "a document that is not text"},
      {"block_type", user(R"([{"type":"dance"}])"), "messages[0].content[0].type is \"dance\""},
      {"block", user("[7]"), "messages[0].content[0] is 7"},
      {"text", user(R"([{"type":"text"}])"), "messages[0].content[0].text is missing"},
      {"no_tool_use_id", user(R"([{"type":"tool_result"}])"), "tool_use_id is missing"},
      {"input", assistant(R"({"type":"tool_use","id":"a","name":"f","input":[1]})"),
       "messages[0].content[0].input is [1]"},
      {"no_name", assistant(R"({"type":"tool_use","id":"a"})"), "name is missing"},
      {"assistant_image", assistant(R"({"type":"image"})"), "messages[0].content[0].type"},
      {"no_schema", user(R"("Hi")", R"(,"tools":[{"name":"f"}])"),
       "tools[0].input_schema is missing"},
      {"no_tool_name", user(R"("Hi")", R"(,"tools":[{"input_schema":{}}])"),
       "tools[0].name is missing"},
      {"tool", user(R"("Hi")", R"(,"tools":[7])"), "tools[0] is 7"},
      {"choice", user(R"("Hi")", R"(,"tool_choice":{"type":"most"})"),
       "tool_choice.type is \"most\""},
      {"choice_text", user(R"("Hi")", R"(,"tool_choice":"auto")"), "tool_choice is \"auto\""},
      {"choice_name", user(R"("Hi")", R"(,"tool_choice":{"type":"tool"})"),
       "tool_choice.name is missing"},
      {"any_of_none", user(R"("Hi")", R"(,"tool_choice":{"type":"any"})"), "there are no tools"},
      {"unknown_tool", user(R"("Hi")", R"(,"tools":[{"name":"f","input_schema":{}}],
                           "tool_choice":{"type":"tool","name":"g"})"),
       "which is none of the 1 tools"},
      {"thinking", user(R"("Hi")", R"(,"thinking":{"type":"deep"})"), "thinking.type is \"deep\""},
      {"budget", user(R"("Hi")", R"(,"thinking":{"type":"enabled","budget_tokens":0})"),
       "thinking.budget_tokens is 0"},
      {"temperature", user(R"("Hi")", R"(,"temperature":-1)"), "temperature is -1"},
      {"stop_sequences", user(R"("Hi")", R"(,"stop_sequences":[1])"), "stop_sequences is [1]"},
      {"format", user(R"("Hi")", R"(,"output_config":{"format":{"type":"json_schema"}})"),
       "output_config.format is not available yet"},
      {"empty_format", user(R"("Hi")", R"(,"output_format":{})"),
       "output_format is not available yet"},
  };
  return all;
}

class MessagesRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(MessagesRefusalTest, IsA400ThatSaysWhatIsWrong) {
  ApiHarness api;
  const auto exchange = api.send("POST", kMessages, GetParam().body);
  ASSERT_TRUE(exchange->complete);
  EXPECT_EQ(exchange->status, 400);
  const Json body = Json::parse(exchange->body);
  EXPECT_EQ(body["type"], "error");
  EXPECT_EQ(body["error"]["type"], "invalid_request_error");
  EXPECT_THAT(body["error"]["message"].get<std::string>(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, MessagesRefusalTest, testing::ValuesIn(refusals()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace glint
