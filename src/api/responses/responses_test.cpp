// OpenAI's Responses: items in, items and events out, refusals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/responses/responses_harness.h"

namespace glint {
namespace {

using testing::StartsWith;

// The prompt that the engine gets, as the number of its tokens and whether it was cached tell.
int num_input_tokens(const Json& response) { return response["usage"]["input_tokens"]; }

struct Event {
  std::string name;
  Json data;
};
std::vector<Event> events(ApiHarness& api, Json body) {
  body["stream"] = true;
  const auto exchange = api.post(kResponses, body);
  api.finish(*exchange);
  EXPECT_EQ(exchange->status, 200) << exchange->body;
  std::vector<Event> events;
  SseParser parser([&](const SseEvent& event) {
    events.push_back({event.name, Json::parse(event.data)});
  });
  parser.put(exchange->body);
  return events;
}

std::vector<std::string> names(const std::vector<Event>& events) {
  std::vector<std::string> names;
  for (const Event& event : events)
    if (names.empty() || names.back() != event.name) names.push_back(event.name);
  return names;
}

TEST(ResponsesTest, AnAnswerIsReasoningMessageAndCallItems) {
  ApiHarness api;
  api.say(kWeather);
  const Json response = api.ask(kResponses, weather_question());
  EXPECT_EQ(response["object"], "response");
  EXPECT_THAT(text(response["id"]), StartsWith("resp_"));
  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(response["error"], nullptr);
  EXPECT_EQ(response["incomplete_details"], nullptr);
  const Json& output = response["output"];
  ASSERT_EQ(output.size(), 3u);
  EXPECT_EQ(output[0]["type"], "reasoning");
  EXPECT_EQ(output[0]["content"][0]["text"], "I need the weather.");
  EXPECT_EQ(output[0]["summary"], Json::array());
  EXPECT_EQ(output[1]["role"], "assistant");
  EXPECT_EQ(output[1]["content"][0]["type"], "output_text");
  EXPECT_EQ(output[1]["content"][0]["text"], "Let me look.");
  EXPECT_EQ(output[2]["type"], "function_call");
  EXPECT_EQ(output[2]["name"], "get_weather");
  EXPECT_EQ(output[2]["arguments"], R"({"location":"Beijing"})");
  EXPECT_THAT(text(output[2]["call_id"]), StartsWith("call_"));
  for (const Json& item : output) EXPECT_EQ(item["status"], "completed");
}

TEST(ResponsesTest, UsageCountsWhatWasCachedAndThought) {
  ApiHarness api;
  api.say("abc</think>xyz");
  const Json body = question("A prompt that is long enough for a page.");
  const Json first = api.ask(kResponses, body)["usage"];
  EXPECT_EQ(first["output_tokens_details"]["reasoning_tokens"],
            api.tokenizer.encode("abc</think>").size());
  EXPECT_EQ(first["output_tokens"], api.tokenizer.encode("abc</think>xyz").size() + 1);
  EXPECT_EQ(first["total_tokens"].get<int>(),
            first["input_tokens"].get<int>() + first["output_tokens"].get<int>());
  EXPECT_EQ(first["input_tokens_details"]["cached_tokens"], 0);
  EXPECT_GT(api.ask(kResponses, body)["usage"]["input_tokens_details"]["cached_tokens"], 0);
}

TEST(ResponsesTest, TheRequestIsEchoed) {
  ApiHarness api;
  api.say("x</think>y");
  Json body = weather_question();
  body.update(Json::parse(R"({"model":"m","instructions":"Be brief.","metadata":{"a":"b"},
    "max_output_tokens":40,"temperature":0.25,"parallel_tool_calls":false,"user":"u",
    "prompt_cache_key":"k","reasoning":{"effort":"low"},"truncation":"auto"})"));
  const Json response = api.ask(kResponses, body);
  for (const char* name :
       {"model", "instructions", "metadata", "max_output_tokens", "temperature",
        "parallel_tool_calls", "user", "prompt_cache_key", "tools", "truncation"})
    EXPECT_EQ(response[name], body[name]) << name;
  EXPECT_EQ(response["reasoning"], Json::parse(R"({"effort":"low","summary":null})"));
  EXPECT_EQ(response["text"], Json::parse(R"({"format":{"type":"text"}})"));
  EXPECT_EQ(response["tool_choice"], "auto");
  EXPECT_EQ(response["store"], true);
}

TEST(ResponsesTest, TheTokenLimitMakesAResponseIncomplete) {
  ApiHarness api;
  api.say("thinking</think>a long answer");
  Json body = question("hi");
  body["max_output_tokens"] = api.tokenizer.encode("thinking</think>a lo").size();
  const Json response = api.ask(kResponses, body);
  EXPECT_EQ(response["status"], "incomplete");
  EXPECT_EQ(response["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(response["output"][0]["status"], "completed");
  EXPECT_EQ(response["output"][1]["status"], "incomplete");
  EXPECT_EQ(events(api, body).back().name, "response.incomplete");
}

TEST(ResponsesTest, AStreamTellsOfEachItemFromAddedToDone) {
  ApiHarness api;
  api.say(kWeather);
  const std::vector<Event> got = events(api, weather_question());
  const std::vector<std::string> expected = {
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.reasoning_text.delta",
      "response.reasoning_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed",
  };
  EXPECT_EQ(names(got), expected);
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].data["sequence_number"], i);
    EXPECT_EQ(got[i].data["type"], got[i].name);
  }
}

TEST(ResponsesTest, DeltasAddUpToWhatDoneAndTheResponseSay) {
  ApiHarness api;
  api.say(kWeather);
  const std::vector<Event> got = events(api, weather_question());
  const Json& output = got.back().data["response"]["output"];
  std::vector<std::string> deltas(3);
  for (const Event& event : got) {
    const Json& data = event.data;
    if (!data.contains("output_index")) continue;
    const size_t index = data["output_index"];
    if (data.contains("item_id")) {
      EXPECT_EQ(data["item_id"], output[index]["id"]);
    }
    if (data.contains("delta")) deltas[index] += text(data["delta"]);
    if (data.contains("text")) {
      EXPECT_EQ(data["text"], deltas[index]);
    }
    if (data.contains("arguments")) {
      EXPECT_EQ(data["arguments"], deltas[index]);
    }
    if (event.name == "response.output_item.done") {
      EXPECT_EQ(data["item"], output[index]);
    }
    if (event.name == "response.output_item.added") {
      EXPECT_EQ(data["item"]["status"], "in_progress");
      if (index == 2) {
        EXPECT_EQ(data["item"]["call_id"], output[2]["call_id"]);
      }
    }
  }
  EXPECT_EQ(deltas, (std::vector<std::string>{"I need the weather.", "Let me look.",
                                              R"({"location":"Beijing"})"}));
}

TEST(ResponsesTest, AnAskedForSummaryIsTheThinkingItself) {
  ApiHarness api;
  api.say("thought</think>answer");
  Json body = question("hi");
  body["reasoning"] = {{"summary", "auto"}};
  body["include"] = {"reasoning.encrypted_content"};
  const std::vector<Event> got = events(api, body);
  const Json& reasoning = got.back().data["response"]["output"][0];
  EXPECT_EQ(reasoning["summary"], Json::parse(R"([{"type":"summary_text","text":"thought"}])"));
  EXPECT_EQ(reasoning["content"], Json::array());
  EXPECT_THAT(names(got), testing::IsSupersetOf({"response.reasoning_summary_part.added",
                                                 "response.reasoning_summary_text.delta",
                                                 "response.reasoning_summary_text.done",
                                                 "response.reasoning_summary_part.done"}));
  EXPECT_FALSE(text(reasoning["encrypted_content"]).empty());
}

TEST(ResponsesTest, LogprobsAreOfTheMessagesTokens) {
  ApiHarness api;
  api.say("thought</think>answer");
  Json body = question("hi");
  body["include"] = {"message.output_text.logprobs"};
  body["top_logprobs"] = 2;
  const std::vector<Event> got = events(api, body);
  const Json& logprobs = got.back().data["response"]["output"][1]["content"][0]["logprobs"];
  std::string joined;
  for (const Json& entry : logprobs) {
    joined += text(entry["token"]);
    EXPECT_EQ(entry["top_logprobs"].size(), 2u);
  }
  EXPECT_EQ(joined, "answer");
  Json streamed = Json::array();
  for (const Event& event : got)
    if (event.name == "response.output_text.delta")
      for (const Json& entry : event.data["logprobs"]) streamed.push_back(entry);
  EXPECT_EQ(streamed, logprobs);
}

// A conversation's prompt is the same, whichever way its earlier turns come back.
class ConversationTest : public testing::Test {
 protected:
  ConversationTest() {
    api.say(kWeather);
    first = api.ask(kResponses, weather_question());
    call_output = {{"type", "function_call_output"},
                   {"call_id", first["output"][2]["call_id"]},
                   {"output", "22 degrees"}};
    api.say("ok</think>Warm.");
    Json chat = user_says("What is the weather in Beijing?");
    chat["tools"] = Json::parse(R"([{"type":"function","function":{"name":"get_weather",
      "parameters":{"type":"object","properties":{"location":{"type":"string"}}}}}])");
    chat["messages"].push_back(Json::parse(R"({"role":"assistant","content":"Let me look.",
      "reasoning_content":"I need the weather.","tool_calls":[{"id":"c","type":"function",
      "function":{"name":"get_weather","arguments":"{\"location\":\"Beijing\"}"}}]})"));
    chat["messages"].push_back({{"role", "tool"}, {"content", "22 degrees"}});
    expected_tokens = api.ask("/v1/chat/completions", chat)["usage"]["prompt_tokens"];
  }
  Json turn(Json input) {
    Json body = weather_question();
    body["input"] = std::move(input);
    return body;
  }

  ApiHarness api;
  Json first, call_output;
  int expected_tokens = 0;
};

TEST_F(ConversationTest, EchoedItems) {
  Json input = {{{"role", "user"}, {"content", "What is the weather in Beijing?"}}};
  for (const Json& item : first["output"]) input.push_back(item);
  input.push_back(call_output);
  EXPECT_EQ(num_input_tokens(api.ask(kResponses, turn(input))), expected_tokens);
}

TEST_F(ConversationTest, PreviousResponseId) {
  Json body = turn(Json::array({call_output}));
  body["previous_response_id"] = first["id"];
  const Json second = api.ask(kResponses, body);
  EXPECT_EQ(num_input_tokens(second), expected_tokens);
  EXPECT_EQ(second["previous_response_id"], first["id"]);
  EXPECT_GT(second["usage"]["input_tokens_details"]["cached_tokens"], 0);
}

TEST_F(ConversationTest, ItemReferences) {
  Json input = {{{"role", "user"}, {"content", "What is the weather in Beijing?"}}};
  for (const Json& item : first["output"])
    input.push_back({{"type", "item_reference"}, {"id", item["id"]}});
  input.push_back(call_output);
  EXPECT_EQ(num_input_tokens(api.ask(kResponses, turn(input))), expected_tokens);
}

TEST_F(ConversationTest, EncryptedContentAlone) {
  Json input = {{{"role", "user"}, {"content", "What is the weather in Beijing?"}}};
  input.push_back({{"type", "reasoning"},
                   {"summary", Json::array()},
                   {"encrypted_content", "glint:I need the weather."}});
  input.push_back(first["output"][1]);
  input.push_back(first["output"][2]);
  input.push_back(call_output);
  EXPECT_EQ(num_input_tokens(api.ask(kResponses, turn(input))), expected_tokens);
}

TEST_F(ConversationTest, InputItemsAreTheWholeConversation) {
  Json body = turn(Json::array({call_output}));
  body["previous_response_id"] = first["id"];
  const Json second = api.ask(kResponses, body);
  const std::string path = cat(kResponses, "/", text(second["id"]), "/input_items");
  const Json newest = Json::parse(api.send("GET", path, "")->body);
  EXPECT_EQ(newest["object"], "list");
  EXPECT_EQ(newest["data"].size(), 5u);
  EXPECT_EQ(newest["data"][0]["output"], "22 degrees");
  EXPECT_EQ(newest["data"][4]["role"], "user");
  EXPECT_EQ(newest["last_id"], newest["data"][4]["id"]);
  EXPECT_EQ(newest["has_more"], false);
}

// What a client may send short, it gets back as the SDK's types want it.
TEST(ResponsesTest, InputItemsAreListedWhole) {
  ApiHarness api;
  api.say("x</think>y");
  const Json answer = api.ask(kResponses, Json::parse(R"({"input":[{"role":"user","content":"a"},
    {"role":"assistant","content":"b"},{"role":"assistant"},
    {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
    {"type":"function_call_output","call_id":"c","output":"x"}]})"));
  const std::string path = cat(kResponses, "/", text(answer["id"]), "/input_items?order=asc");
  const Json items = Json::parse(api.send("GET", path, "")->body)["data"];
  ASSERT_EQ(items.size(), 5u);
  EXPECT_FALSE(items[2].contains("content"));
  EXPECT_EQ(items[0]["content"], Json::parse(R"([{"type":"input_text","text":"a"}])"));
  EXPECT_EQ(items[1]["content"],
            Json::parse(R"([{"type":"output_text","text":"b","annotations":[]}])"));
  for (const Json& item : items) EXPECT_EQ(item["status"], "completed");
}

// A conversation begun with OpenAI's own tools goes on here.
TEST(ResponsesTest, ItemsOfOtherServersToolsAreLeftOut) {
  ApiHarness api;
  api.say("x</think>y");
  Json input = {{{"role", "user"}, {"content", "a"}}, {{"role", "user"}, {"content", "b"}}};
  const int without = num_input_tokens(api.ask(kResponses, {{"input", input}}));
  for (const char* type : {"local_shell_call", "custom_tool_call_output", "mcp_call", "compaction"})
    input.insert(input.begin() + 1, Json{{"type", type}, {"call_id", "1"}});
  EXPECT_EQ(num_input_tokens(api.ask(kResponses, {{"input", input}})), without);
}

TEST(ResponsesTest, InstructionsAndDevelopersSpeakFirstAndAreNotCarriedOver) {
  ApiHarness api;
  api.say("x</think>y");
  Json body = question("hi");
  body["instructions"] = "Speak like a pirate, please.";
  const Json with = api.ask(kResponses, body);
  const Json developer = api.ask(
      kResponses,
      Json::parse(R"({"input":[{"role":"developer","content":"Speak like a pirate, please."},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}]})"));
  EXPECT_EQ(num_input_tokens(developer), num_input_tokens(with));
  const Json plain = api.ask(kResponses, question("hi"));
  EXPECT_LT(num_input_tokens(plain), num_input_tokens(with));
  Json next = question("more");
  next["previous_response_id"] = with["id"];
  const int carried = num_input_tokens(api.ask(kResponses, next));
  next["previous_response_id"] = plain["id"];
  EXPECT_EQ(num_input_tokens(api.ask(kResponses, next)), carried);
}

TEST(ResponsesTest, InputTokensAreCounted) {
  ApiHarness api;
  api.say("x</think>y");
  const Json counted = api.ask("/v1/responses/input_tokens", weather_question());
  EXPECT_EQ(counted["object"], "response.input_tokens");
  EXPECT_EQ(counted["input_tokens"], num_input_tokens(api.ask(kResponses, weather_question())));
}

TEST(ResponsesTest, EffortNoneTurnsThinkingOff) {
  ApiHarness api;
  api.say("Just this.");
  Json body = question("hi");
  body["reasoning"] = {{"effort", "none"}};
  const Json output = api.ask(kResponses, body)["output"];
  ASSERT_EQ(output.size(), 1u);
  EXPECT_EQ(output[0]["content"][0]["text"], "Just this.");
}

TEST(ResponsesTest, WithoutParallelCallsTheAnswerEndsBeforeTheSecond) {
  ApiHarness api;
  api.say(std::string(kWeather) + "<tool_call>get_weather</tool_call>");
  Json body = weather_question();
  EXPECT_EQ(api.ask(kResponses, body)["output"].size(), 4u);
  body["parallel_tool_calls"] = false;
  const Json response = api.ask(kResponses, body);
  EXPECT_EQ(response["output"].size(), 3u);
  EXPECT_EQ(response["status"], "completed");
}

TEST(ResponsesTest, OnlyAllowedToolsAreShown) {
  ApiHarness api;
  api.say("x</think>y");
  Json body = weather_question();
  const int one = num_input_tokens(api.ask(kResponses, body));
  body["tools"].push_back({{"type", "function"}, {"name", "other"}});
  EXPECT_GT(num_input_tokens(api.ask(kResponses, body)), one);
  body["tool_choice"] = Json::parse(
      R"({"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"get_weather"}]})");
  EXPECT_EQ(num_input_tokens(api.ask(kResponses, body)), one);
  body["tool_choice"] = "none";
  EXPECT_LT(num_input_tokens(api.ask(kResponses, body)), one);
}

// A call that the limit cut is told of as incomplete, and does not spoil the turn after it.
TEST(ResponsesTest, ACutCallIsIncomplete) {
  ApiHarness api;
  api.say(kWeather);
  Json body = weather_question();
  const std::string_view all = kWeather;
  body["max_output_tokens"] = api.tokenizer.encode(all.substr(0, all.find("jing"))).size();
  const Json cut = api.ask(kResponses, body);
  EXPECT_EQ(cut["status"], "incomplete");
  EXPECT_EQ(cut["output"][2]["status"], "incomplete");
  Json next = question("Go on.");
  next["previous_response_id"] = cut["id"];
  EXPECT_EQ(api.ask(kResponses, next)["object"], "response");
}

// --- Refusals -----------------------------------------------------------------------------------

struct Refusal {
  const char* body;
  const char* param;
  int status = 400;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.body; }

class RefusedResponseTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedResponseTest, NamesTheField) {
  ApiHarness api;
  for (const bool stream : {false, true}) {
    Json body = Json::parse(GetParam().body);
    body["stream"] = stream;
    const auto exchange = api.post(kResponses, body);
    ASSERT_TRUE(exchange->complete) << GetParam().body;
    EXPECT_EQ(exchange->status, GetParam().status) << exchange->body;
    EXPECT_EQ(Json::parse(exchange->body)["error"]["param"], GetParam().param) << exchange->body;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedResponseTest,
    testing::Values(
        Refusal{R"({})", "input"}, Refusal{R"({"input":[]})", "input"},
        Refusal{R"({"input":3})", "input"}, Refusal{R"({"input":[3]})", "input[0]"},
        Refusal{R"({"input":[{"role":"nobody","content":"x"}]})", "input[0].role"},
        Refusal{R"({"input":[{"role":"user","content":[{"type":"input_image"}]}]})",
                "input[0].content[0].type"},
        Refusal{R"({"input":[{"type":"telepathy"}]})", "input[0].type"},
        Refusal{R"({"input":[{"type":"function_call","arguments":"{}"}]})", "input[0].name"},
        Refusal{R"({"input":[{"type":"function_call","name":"f","arguments":"{"}]})",
                "input[0].arguments"},
        Refusal{R"({"input":[{"type":"function_call_output","output":7}]})", "input[0].output"},
        Refusal{R"({"input":[{"type":"function_call_output","call_id":"c"}]})", "input[0].output"},
        Refusal{R"({"input":[{"type":"reasoning","summary":[7]}]})", "input[0].summary"},
        Refusal{R"({"input":[{"type":"item_reference","id":"msg_0"}]})", "input[0].id", 404},
        Refusal{R"({"input":[{"role":"user","content":"x","id":7}]})", "input[0].id"},
        Refusal{R"({"input":"x","previous_response_id":"resp_0"})", "previous_response_id", 404},
        Refusal{R"({"input":"x","background":true,"store":false})", "background"},
        Refusal{R"({"input":"x","text":{"format":{"type":"json_object"}}})", "text.format.type"},
        Refusal{R"({"input":"x","text":{"format":{"type":"json_schema"}}})", "text.format.type"},
        Refusal{R"({"input":"x","max_output_tokens":-1})", "max_output_tokens"},
        Refusal{R"({"input":"x","max_output_tokens":100000})", "max_output_tokens"},
        Refusal{R"({"input":"x","temperature":-1})", "temperature"},
        Refusal{R"({"input":"x","top_logprobs":21})", "top_logprobs"},
        Refusal{R"({"input":"x","include":"message.output_text.logprobs"})", "include"},
        Refusal{R"({"input":"x","truncation":"maybe"})", "truncation"},
        Refusal{R"({"input":"x","metadata":[]})", "metadata"},
        Refusal{R"({"input":"x","reasoning":{"summary":"long"}})", "reasoning.summary"},
        Refusal{R"({"input":"x","tools":[{"type":"function"}]})", "tools[0].name"},
        Refusal{R"({"input":"x","tools":[{"name":"f"}]})", "tools[0].type"},
        Refusal{R"({"input":"x","tool_choice":"required"})", "tool_choice"},
        Refusal{R"({"input":"x","tool_choice":{"type":"web_search"}})", "tool_choice.type"},
        Refusal{R"({"input":"x","tool_choice":{"type":"function"}})", "tool_choice.name"},
        Refusal{R"({"input":"x","tool_choice":{"type":"function","name":"f"},
          "tools":[{"type":"function","name":"g"}]})",
                "tool_choice"},
        Refusal{R"({"input":"x","conversation":"conv_1"})", "conversation"},
        Refusal{R"({"input":"x","prompt":{"id":"p"}})", "prompt"}));

}  // namespace
}  // namespace glint
