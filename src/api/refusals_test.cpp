// Every bad request is a 400 that names its field, before anything reaches the engine.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "api/api_harness.h"
#include "api/chat_request.h"

namespace glint {
namespace {

using testing::HasSubstr;

struct Refusal {
  const char* name;
  const char* path;
  std::string body;
  const char* param;    // of the answer
  const char* message;  // a part of it
};

std::string chat(const std::string& more) {
  return R"({"messages":[{"role":"user","content":"Hi"}],)" + more + "}";
}
std::string messages(const std::string& list) { return R"({"messages":)" + list + "}"; }
std::string native(const std::string& params) {
  return R"({"text":"Hi","sampling_params":{)" + params + "}}";
}

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kText = "/v1/completions";
constexpr const char* kNative = "/generate";

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> all = {
      {"malformed", kChat, R"({"messages": [)", "", "not valid JSON"},
      {"empty", kChat, "", "", "The body is empty"},
      {"not_an_object", kChat, "[]", "", "expected a JSON object"},
      {"no_messages", kChat, "{}", "messages", "at least one message"},
      {"empty_messages", kChat, messages("[]"), "messages", "at least one message"},
      {"messages_text", kChat, messages(R"("Hi")"), "messages", "expected an array"},
      {"message_text", kChat, messages(R"(["Hi"])"), "messages[0]", "expected an object"},
      {"no_role", kChat, messages(R"([{"content":"Hi"}])"), "messages[0].role", "missing"},
      {"unknown_role", kChat, messages(R"([{"role":"wizard","content":"Hi"}])"), "messages[0].role",
       "wizard"},
      {"content_number", kChat, messages(R"([{"role":"user","content":7}])"), "messages[0].content",
       "a string or an array of parts"},
      {"image", kChat,
       messages(R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])"),
       "messages[0].content[0].type", "text input only"},
      {"part_without_text", kChat, messages(R"([{"role":"user","content":[{"type":"text"}]}])"),
       "messages[0].content[0].text", "a string"},
      {"arguments_list", kChat,
       messages(
           R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"[1]"}}]}])"),
       "messages[0].tool_calls[0].function.arguments", "a JSON object"},
      {"arguments_cut", kChat,
       messages(
           R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}])"),
       "messages[0].tool_calls[0].function.arguments", "a JSON object"},
      {"call_without_name", kChat,
       messages(R"([{"role":"assistant","tool_calls":[{"function":{}}]}])"),
       "messages[0].tool_calls[0].function.name", "name"},
      {"tools_object", kChat, chat(R"("tools":{})"), "tools", "an array"},
      {"tool_description", kChat, chat(R"("tools":[{"function":{"name":"f","description":{}}}])"),
       "tools[0].function.description", "a string"},
      {"tool_without_function", kChat, chat(R"("tools":[{"type":"function"}])"),
       "tools[0].function", "an object"},
      {"tool_choice_word", kChat, chat(R"("tool_choice":"maybe")"), "tool_choice", "auto"},
      {"tool_choice_number", kChat, chat(R"("tool_choice":1)"), "tool_choice", "required"},
      {"tool_choice_type", kChat, chat(R"("tool_choice":{"type":"custom"})"), "tool_choice",
       "required"},
      {"tool_choice_without_function", kChat, chat(R"("tool_choice":{"type":"function"})"),
       "tool_choice.function", "missing"},
      {"tool_choice_without_name", kChat, chat(R"("tool_choice":{"function":{}})"),
       "tool_choice.function.name", "one of the tools"},
      {"allowed_tools_mode", kChat,
       chat(R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"x"}})"),
       "tool_choice.allowed_tools.mode", "auto or required"},
      {"allowed_tools_none", kChat,
       chat(R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":[]}})"),
       "tool_choice.allowed_tools.tools", "at least one"},
      {"allowed_tools_name", kChat,
       chat(R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":["a"]}})"),
       "tool_choice.allowed_tools.tools[0]", "an object"},
      {"allowed_tools_unknown", kChat,
       chat(R"("tools":[{"function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools",)"
            R"("allowed_tools":{"tools":[{"function":{"name":"f"}},{"function":{"name":"g"}}]}})"),
       "tool_choice", "none of the 1 tools"},
      {"required_without_tools", kChat, chat(R"("tool_choice":"required")"), "tool_choice",
       "there are no tools"},
      {"unknown_function", kChat,
       chat(R"("tools":[{"function":{"name":"f"}}],"tool_choice":{"function":{"name":"g"}})"),
       "tool_choice", "\"g\", which is none of the 1 tools"},
      {"reasoning_effort", kChat, chat(R"("reasoning_effort":"bogus")"), "reasoning_effort",
       "\"bogus\"; expected none, minimal, low, medium, high, xhigh, max or a number."},
      {"reasoning_effort_list", kChat, chat(R"("reasoning_effort":["low"])"), "reasoning_effort",
       "[\"low\"]; expected none,"},
      {"nested_effort", kChat, chat(R"("reasoning":{"effort":"bogus"})"), "reasoning.effort",
       "\"bogus\"; expected none, minimal, low, medium, high, xhigh, max or a number."},
      {"responses_effort", "/v1/responses", R"({"input":"a","reasoning":{"effort":"bogus"}})",
       "reasoning.effort", "xhigh, max"},
      {"thinking_type_word", kChat, chat(R"("thinking":{"type":"foo"})"), "thinking.type",
       "\"foo\"; expected enabled, disabled or adaptive."},
      {"functions", kChat, chat(R"("functions":[{"name":"f"}])"), "functions",
       "send tools and tool_choice"},
      {"function_call", kChat, chat(R"("function_call":{"name":"f"})"), "function_call",
       "send tools and tool_choice"},
      {"repetition_empty", kChat, chat(R"("repetition_detection":{})"),
       "repetition_detection.max_pattern_size",
       "is missing; expected a whole number from 0 to 512"},
      {"repetition_size", kChat, chat(R"("repetition_detection":{"max_pattern_size":513})"),
       "repetition_detection.max_pattern_size", "from 0 to 512"},
      {"repetition_sizes", kChat,
       chat(R"("repetition_detection":{"max_pattern_size":2,"min_pattern_size":3})"),
       "repetition_detection.min_pattern_size", "at most max_pattern_size, 2"},
      {"repetition_count", kNative,
       native(R"("repetition_detection":{"max_pattern_size":2,"min_count":1})"),
       "sampling_params.repetition_detection.min_count", "2 or more"},
      {"bootstrap", kChat, chat(R"("bootstrap_host":"a")"), "bootstrap_host", "not available yet"},
      {"dp_rank", kText, R"({"prompt":"a","routed_dp_rank":1})", "routed_dp_rank", "not available"},
      {"chat_template", kChat, chat(R"("chat_template":"{{ x }}")"), "chat_template",
       "own template only"},
      {"logit_processor", kChat, chat(R"("custom_logit_processor":"x")"), "custom_logit_processor",
       "runs none"},
      {"logit_processor_text", kText, R"({"prompt":"a","custom_logit_processor":"x"})",
       "custom_logit_processor", "runs none"},
      {"logit_processor_native", kNative, native(R"("custom_logit_processor":"x")"),
       "sampling_params.custom_logit_processor", "runs none"},
      {"bootstrap_native", kNative, R"({"text":"a","bootstrap_host":"a"})", "bootstrap_host",
       "not available yet"},
      {"bootstrap_port_native", kNative, R"({"text":"a","bootstrap_port":8998})", "bootstrap_port",
       "not available yet"},
      {"bootstrap_room_native", kNative, R"({"text":["a","b"],"bootstrap_room":[null,7]})",
       "bootstrap_room", "not available yet"},
      {"routed_rank_native", kNative, R"({"text":"a","routed_dp_rank":1})", "routed_dp_rank",
       "not available yet"},
      {"data_parallel_rank_native", kNative, R"({"text":"a","data_parallel_rank":1})",
       "data_parallel_rank", "not available yet"},
      {"logit_processor_beside", kNative, R"({"text":"a","custom_logit_processor":"x"})",
       "custom_logit_processor", "runs none"},
      {"documents", kChat, chat(R"("documents":[{"text":"a"}])"), "documents", "the messages"},
      {"session", kChat, chat(R"("session_params":{"id":"a"})"), "session_params", "no sessions"},
      {"image_native", kNative, R"({"text":"a","image_data":"x.png"})", "image_data",
       "image_data is set; this model takes text input only."},
      {"input_ids_batch", kChat, R"({"input_ids":[[1]]})", "input_ids", "of one prompt"},
      {"input_ids_text", kChat, R"({"input_ids":"Hi"})", "input_ids", "an array of token ids"},
      {"return_meta_info", kChat, chat(R"("return_meta_info":1)"), "return_meta_info", "true or"},
      {"thinking_budget", kChat, chat(R"("thinking_budget":-2)"), "thinking_budget", "-1"},
      {"thinking_token_budget", kChat, chat(R"("thinking_token_budget":"a")"),
       "thinking_token_budget", "a whole number"},
      {"reasoning_max_tokens", kChat, chat(R"("reasoning":{"max_tokens":0.5})"),
       "reasoning.max_tokens", "a whole number"},
      {"answer_reserve", kChat, chat(R"("answer_reserve":-1)"), "answer_reserve", "0"},
      {"temperature_text", kChat, chat(R"("temperature":"hot")"), "temperature", "a number"},
      {"temperature_below", kChat, chat(R"("temperature":-0.1)"), "temperature", "0 or more"},
      {"top_p_zero", kChat, chat(R"("top_p":0)"), "top_p", "top_p"},
      {"top_p_above", kChat, chat(R"("top_p":1.1)"), "top_p", "top_p"},
      {"top_k", kChat, chat(R"("top_k":-2)"), "top_k", "top_k"},
      {"untyped_part", kChat, R"({"messages":[{"role":"user","content":[{"text":"x"}]}]})",
       "messages[0].content[0].type", "is missing"},
      {"same_rids", kNative, R"({"text":["a","b"],"rid":["x","x"]})", "rid", "twice"},
      {"logit_bias_of", kChat, chat(R"("logit_bias":{"5":101})"), "logit_bias", "token 5 is 101"},
      {"min_p_above", kChat, chat(R"("min_p":1.5)"), "min_p", "min_p"},
      {"frequency_penalty", kChat, chat(R"("frequency_penalty":2.1)"), "frequency_penalty", "2"},
      {"presence_penalty", kChat, chat(R"("presence_penalty":-2.1)"), "presence_penalty", "2"},
      {"repetition_penalty", kChat, chat(R"("repetition_penalty":0)"), "repetition_penalty", "0"},
      {"n_zero", kChat, chat(R"("n":0)"), "n", "from 1 to 128"},
      {"n_above", kChat, chat(R"("n":129)"), "n", "from 1 to 128"},
      {"n_half", kChat, chat(R"("n":1.5)"), "n", "a whole number"},
      {"max_tokens_below", kChat, chat(R"("max_tokens":-1)"), "max_tokens", "from 0"},
      {"max_tokens_huge", kChat, chat(R"("max_tokens":99999999999999999999)"), "max_tokens",
       "99999999999999999999"},
      {"min_above_max", kChat, chat(R"("max_tokens":2,"min_tokens":3)"), "min_tokens", "3"},
      {"stop_number", kChat, chat(R"("stop":[1])"), "stop", "array of strings"},
      {"stop_long", kChat, chat(R"("stop":")" + std::string(1025, 'x') + "\""), "stop", "1024"},
      {"stop_regex_number", kChat, chat(R"("stop_regex":7)"), "stop_regex", "array of strings"},
      {"stop_regex_long", kText, R"({"prompt":"a","stop_regex":")" + std::string(1025, 'x') + "\"}",
       "stop_regex", "1024"},
      {"stop_regex_lookahead", kChat, chat(R"("stop_regex":"a(?=b)c")"), "stop_regex",
       "cannot compile (invalid perl operator: (?=)"},
      {"stop_regex_group", kText, R"({"prompt":"a","stop_regex":["a","b("]})", "stop_regex",
       "cannot compile (missing ): b()"},
      {"stop_regex_empty_match", kChat, chat(R"("stop_regex":"a*")"), "stop_regex",
       "the empty text matches"},
      {"stop_regex_large", kChat, chat(R"("stop_regex":"a{1000}")"), "stop_regex", "500"},
      {"stop_token_id", kChat, chat(R"("stop_token_ids":[-1])"), "stop_token_ids", "-1"},
      {"logit_bias_key", kChat, chat(R"("logit_bias":{"x":1})"), "logit_bias", "token id"},
      {"logit_bias_value", kChat, chat(R"("logit_bias":{"1":101})"), "logit_bias", "100"},
      {"seed_text", kChat, chat(R"("seed":"x")"), "seed", "whole number"},
      {"stream_text", kChat, chat(R"("stream":"yes")"), "stream", "true or false"},
      {"logprobs_number", kChat, chat(R"("logprobs":2)"), "logprobs", "true or false"},
      {"top_logprobs_above", kChat, chat(R"("logprobs":true,"top_logprobs":21)"), "top_logprobs",
       "from 0 to 20"},
      {"top_logprobs_alone", kChat, chat(R"("top_logprobs":2)"), "top_logprobs", "logprobs"},
      {"json_object", kChat, chat(R"("response_format":{"type":"json_object"})"), "response_format",
       "not available yet"},
      {"json_schema", kChat, chat(R"("response_format":{"type":"json_schema"})"), "response_format",
       "not available yet"},
      {"regex", kChat, chat(R"("regex":"a+")"), "regex", "not available yet"},
      {"ebnf", kChat, chat(R"("ebnf":"root ::= x")"), "ebnf", "not available yet"},
      {"guided_json_empty", kChat, chat(R"("guided_json":{})"), "guided_json", "not available yet"},
      {"guided_json_list", kText, R"({"prompt":"a","guided_json":[]})", "guided_json",
       "not available yet"},
      {"structured_outputs_empty", kChat, chat(R"("structured_outputs":{})"), "structured_outputs",
       "not available yet"},
      {"native_schema_empty", kNative, native(R"("json_schema":"")"), "sampling_params.json_schema",
       "not available yet"},
      {"responses_schema_empty", "/v1/responses", R"({"input":"a","guided_choice":[]})",
       "guided_choice", "not available yet"},
      {"template_kwargs", kChat, chat(R"("chat_template_kwargs":{"enable_thinking":"no"})"),
       "chat_template_kwargs.enable_thinking", "true or false"},
      {"thinking", kChat, chat(R"("thinking":"off")"), "thinking", "object"},
      {"thinking_type", kChat, chat(R"("thinking":{"type":false})"), "thinking.type", "string"},
      {"chat_too_long", kChat,
       messages(R"([{"role":"user","content":")" + std::string(5000, 'q') + R"("}])"), "messages",
       "is longer than the model's context length (2048 tokens)."},
      {"chat_max_tokens_too_long", kChat, chat(R"("max_tokens":2048)"), "max_tokens",
       "exceeds the model's maximum context length of 2048 tokens"},
      {"no_prompt", kText, "{}", "prompt", "text or token ids"},
      {"prompt_object", kText, R"({"prompt":{}})", "prompt", "a string"},
      {"prompt_empty", kText, R"({"prompt":""})", "prompt", "at least one"},
      {"prompt_ids", kText, R"({"prompt":[1,999999]})", "prompt", "999999"},
      {"prompt_mixed", kText, R"({"prompt":["a",1]})", "prompt", "a string"},
      {"text_logprobs", kText, R"({"prompt":"a","logprobs":21})", "logprobs", "from 0 to 20"},
      {"best_of", kText, R"({"prompt":"a","n":2,"best_of":1})", "best_of", "less than n, 2"},
      {"best_of_stream", kText, R"({"prompt":"a","best_of":2,"stream":true})", "best_of",
       "Expected stream false"},
      {"prompt_logprobs", kText, R"({"prompt":"a","prompt_logprobs":-1})", "prompt_logprobs",
       "from 0 to 20"},
      {"prompt_logprobs_stream", kText, R"({"prompt":"a","prompt_logprobs":1,"stream":true})",
       "prompt_logprobs", "not for streams"},
      {"chat_prompt_logprobs", kChat, chat(R"("prompt_logprobs":21)"), "prompt_logprobs",
       "from 0 to 20"},
      {"chat_prompt_logprobs_stream", kChat, chat(R"("prompt_logprobs":1,"stream":true)"),
       "prompt_logprobs", "not for streams"},
      {"native_nothing", kNative, "{}", "text", "input_ids"},
      {"native_both", kNative, R"({"text":"a","input_ids":[1]})", "input_ids", "both"},
      {"native_text_ids", kNative, R"({"text":[1,2]})", "text", "array of strings"},
      {"native_ids_text", kNative, R"({"input_ids":"a"})", "input_ids", "expected an array of"},
      {"native_ids_texts", kNative, R"({"input_ids":["a"]})", "input_ids", "expected an array of"},
      {"native_params", kNative, R"({"text":"a","sampling_params":3})", "sampling_params",
       "an object"},
      {"native_params_list", kNative, R"({"text":["a","b"],"sampling_params":[{}]})",
       "sampling_params", "1 entries for 2 prompts"},
      {"native_max", kNative, native(R"("max_new_tokens":"x")"), "sampling_params.max_new_tokens",
       "a whole number"},
      {"native_regex", kNative, native(R"("regex":"x")"), "sampling_params.regex",
       "not available yet"},
      {"native_stop_regex", kNative, native(R"("stop_regex":"(a)\\1")"),
       "sampling_params.stop_regex", "invalid escape sequence"},
      {"responses_stop_regex", "/v1/responses", R"({"input":"a","stop_regex":"a"})", "stop_regex",
       "not available yet"},
      {"native_token_ids_logprob", kNative, R"({"text":"a","token_ids_logprob":5})",
       "token_ids_logprob", "an array"},
      {"native_token_ids_logprob_id", kNative, R"({"text":"a","token_ids_logprob":[5,999999]})",
       "token_ids_logprob", "[1] is 999999"},
      {"native_token_ids_logprob_lists", kNative, R"({"text":"a","token_ids_logprob":[[5]]})",
       "token_ids_logprob", "[0] is [5]"},
      {"native_token_ids_logprob_count", kNative, R"({"text":["a","b"],"token_ids_logprob":[[5]]})",
       "token_ids_logprob", "1 entries for 2 prompts"},
      {"native_token_ids_logprob_of_one", kNative,
       R"({"text":["a","b"],"token_ids_logprob":[[5],[-1]]})", "token_ids_logprob[1]", "[0] is -1"},
      {"native_token_ids_logprob_mixed", kNative,
       R"({"text":["a","b"],"token_ids_logprob":[5,[6]]})", "token_ids_logprob", "[1] is [6]"},
      {"native_rid_list", kNative, R"({"text":["a","b"],"rid":["x"]})", "rid",
       "1 entries for 2 prompts"},
      {"native_rid_of_one", kNative, R"({"text":"a","rid":["x"]})", "rid", "a string"},
      {"native_list_entry", kNative, R"({"text":["a","b"],"top_logprobs_num":[1,21]})",
       "top_logprobs_num[1]", "from 0 to 20"},
      {"native_stream_interval", kNative, R"({"text":"a","sampling_params":{"stream_interval":0}})",
       "sampling_params.stream_interval", "from 1"},
  };
  return all;
}

TEST(RefusalsTest, EveryBadRequestIsA400ThatNamesItsField) {
  ApiHarness api;
  for (const Refusal& refusal : refusals()) {
    const auto exchange = api.send("POST", refusal.path, refusal.body);
    ASSERT_TRUE(exchange->complete) << refusal.name;
    EXPECT_EQ(exchange->status, 400) << refusal.name;
    const Json body = Json::parse(exchange->body);
    const Json param = *refusal.param == '\0' ? Json(nullptr) : Json(refusal.param);
    EXPECT_EQ(body["error"]["param"], param) << refusal.name;
    EXPECT_THAT(body["error"]["message"].get<std::string>(), HasSubstr(refusal.message));
    EXPECT_EQ(body["message"], body["error"]["message"]);
    EXPECT_EQ(body["object"], "error");
    EXPECT_EQ(body["code"], 400);
  }
  api.engine.step();
  EXPECT_EQ(api.engine.stats().requests_total, 0);
}

// The prompts are too long by far: had they been encoded first, the answer would be about them.
TEST(RefusalsTest, EveryOtherFieldIsCheckedBeforeAPromptIsEncoded) {
  ApiHarness api;
  const std::string prompt = R"(":")" + std::string(5000, 'q') + "\",";
  const std::vector<std::pair<std::string, std::string>> text = {
      {R"("top_p":0)", "top_p"},
      {R"("n":129)", "n"},
      {R"("priority":"high")", "priority"},
      {R"("logprobs":21)", "logprobs"},
      {R"("echo":1)", "echo"},
      {R"("best_of":129)", "best_of"},
      {R"("response_format":{"type":"json_object"})", "response_format"},
      {R"("lora_path":"x")", "lora_path"},
      {R"("stream":1)", "stream"},
      {R"("stream_options":{"include_usage":1})", "stream_options.include_usage"}};
  for (const auto& [bad, param] : text) {
    const auto exchange = api.send("POST", kText, R"({"prompt)" + prompt + bad + "}");
    EXPECT_EQ(Json::parse(exchange->body)["error"]["param"], param) << exchange->body;
  }
  const std::vector<std::pair<std::string, std::string>> native_fields = {
      {R"("sampling_params":{"top_p":0})", "sampling_params.top_p"},
      {R"("sampling_params":[{},{}])", "sampling_params"},
      {R"("rid":3)", "rid"},
      {R"("top_logprobs_num":21)", "top_logprobs_num"},
      {R"("return_logprob":true,"logprob_start_len":-2)", "logprob_start_len"},
      {R"("image_data":"x")", "image_data"},
      {R"("stream":1)", "stream"},
      {R"("incremental":1)", "incremental"},
      {R"("input_ids":[1])", "input_ids"}};
  for (const auto& [bad, param] : native_fields) {
    const auto exchange = api.send("POST", kNative, R"({"text)" + prompt + bad + "}");
    EXPECT_EQ(Json::parse(exchange->body)["error"]["param"], param) << exchange->body;
  }
  // And every prompt's shape, and how many answers there would be.
  const std::string list = R"({"prompt":[")" + std::string(5000, 'q') + "\",";
  for (const auto& [rest, param] : std::vector<std::pair<std::string, std::string>>{
           {"1]}", "prompt"},
           {R"(""]})", "prompt"},
           {R"("b","b","b","b","b","b","b","b"],"n":128})", "n"}}) {
    const auto exchange = api.send("POST", kText, list + rest);
    const Json error = Json::parse(exchange->body)["error"];
    EXPECT_EQ(error["param"], param) << exchange->body;
    EXPECT_THAT(error["message"].get<std::string>(), testing::Not(HasSubstr("longer than")));
  }
}

TEST(RefusalsTest, TheLongestOfEverythingIsStillTaken) {
  ApiHarness api;
  api.say("x");
  for (const std::string& body :
       {chat(R"("n":16,"top_p":1,"min_p":1,"temperature":0,"frequency_penalty":-2)"),
        chat(R"("stop":")" + std::string(1024, 'x') + "\""),
        chat(R"("logprobs":true,"top_logprobs":20)"), chat(R"("response_format":{"type":"text"})"),
        chat(R"("tools":null,"stop":null,"seed":null,"regex":null,"logit_bias":{"1":100})"),
        chat(R"("unknown_field":{"a":1},"user":"me","max_tokens":1.0)")}) {
    const auto exchange = api.send("POST", kChat, body);
    api.finish(*exchange);
    EXPECT_EQ(exchange->status, 200) << exchange->body;
  }
}

TEST(RefusalsTest, AFullQueueIs503AndNoneOfTheRequestStays) {
  SchedulerLimits limits = ApiHarness::default_limits();
  limits.max_queued_requests = 2;
  ApiHarness api(limits);
  api.say("x");
  Json request = user_says("Hi");
  request["n"] = 3;
  const auto exchange = api.post(kChat, request);
  EXPECT_EQ(exchange->status, 503);
  EXPECT_THAT(exchange->body, HasSubstr("--max-queued-requests"));
  while (api.engine.step()) {
  }
  EXPECT_EQ(api.engine.stats().num_running_requests, 0);
  EXPECT_EQ(api.engine.stats().num_queued_requests, 0);
}

TEST(RefusalsTest, WithoutATokenizerOnlyIdsAreTaken) {
  ApiHarness api;
  api.context.tokenizer = {};
  for (const auto& [path, body, param] : std::vector<std::array<std::string, 3>>{
           {kChat, user_says("Hi").dump(), "messages"},
           {kText, R"({"prompt":"a"})", "prompt"},
           {kText, R"({"prompt":[1],"echo":true})", "echo"},
           {kText, R"({"prompt":[1],"logprobs":1})", "logprobs"},
           {kNative, R"({"text":"a"})", "text"}}) {
    const auto exchange = api.send("POST", path, body);
    EXPECT_EQ(exchange->status, 400) << body;
    EXPECT_EQ(Json::parse(exchange->body)["error"]["param"], param) << exchange->body;
  }
  EXPECT_EQ(api.ask(kNative, Json::parse(R"({"input_ids":[1,2]})"))["text"], "");
}

TEST(RefusalsTest, AnotherContentTypeIsRefused) {
  ApiHarness api;
  HttpRequest request;
  request.method = "POST";
  request.path = kChat;
  request.headers = {{"Content-Type", "text/plain"}};
  request.body = user_says("Hi").dump();
  const auto exchange = std::make_shared<FakeExchange>(std::move(request));
  make_router(api.context).route(exchange);
  EXPECT_EQ(exchange->status, 400);
  EXPECT_THAT(exchange->body, HasSubstr("expected application/json"));
}

TEST(RefusalsTest, RolesAndMessagesAreMadeWhatTheTemplateKnows) {
  const Json body = Json::parse(R"({"messages":[
    {"role":"Developer","content":"Be brief."},
    {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
    {"role":"assistant","content":null,"reasoning":"hm",
     "tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
                   {"function":{"name":"g","arguments":""}}]},
    {"role":"function","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]}]})");
  const auto parsed = parse_messages(RequestFields(body));
  ASSERT_TRUE(parsed);
  const std::vector<Message>& list = *parsed;
  EXPECT_EQ(list[0].role, "system");
  EXPECT_EQ((*list[1].content)[1]["text"], "b");
  EXPECT_EQ(*list[2].content, "");
  EXPECT_EQ(list[2].reasoning_content, "hm");
  EXPECT_EQ(list[2].tool_calls[0].arguments["x"], 1);
  EXPECT_EQ(list[2].tool_calls[1].arguments, Json::object());
  EXPECT_EQ(list[3].role, "tool");
  EXPECT_EQ(*list[3].content, "one two");
}

}  // namespace
}  // namespace glint
