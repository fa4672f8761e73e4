// What operators and routers ask of a server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "api/api_harness.h"
#include "api/operator/starting.h"

namespace glint {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kNative = "/generate";

// An answer that nothing but its length ends.
Json endless(std::string_view rid, bool stream = false) {
  return {{"input_ids", {1, 2, 3}},
          {"rid", rid},
          {"stream", stream},
          {"sampling_params", {{"max_new_tokens", 1000}, {"ignore_eos", true}}}};
}

Json answer_of(const FakeExchange& exchange) { return Json::parse(exchange.body); }

std::string reason_of(const FakeExchange& exchange) {
  return answer_of(exchange)["meta_info"]["finish_reason"]["type"].get<std::string>();
}

TEST(AbortTest, EndsWhatBeginsWithTheRid) {
  ApiHarness api;
  const auto first = api.post(kNative, endless("job-1"));
  const auto second = api.post(kNative, endless("job-2"));
  const auto other = api.post(kNative, endless("other"));
  api.engine.step();
  const auto aborted = api.post("/abort_request", {{"rid", "job-"}});
  EXPECT_EQ(aborted->status, 200);
  EXPECT_EQ(answer_of(*aborted)["num_aborted"], 2);
  api.finish(*first);
  api.finish(*second);
  EXPECT_EQ(reason_of(*first), "abort");
  EXPECT_THAT(answer_of(*second)["meta_info"]["finish_reason"]["message"].get<std::string>(),
              HasSubstr("aborted"));
  EXPECT_FALSE(other->complete);
  EXPECT_EQ(answer_of(*api.post("/abort_request", {{"rid", "job-"}}))["num_aborted"], 0);
  EXPECT_EQ(answer_of(*api.post("/abort_request", {{"rid", ""}}))["num_aborted"], 0);
  EXPECT_EQ(answer_of(*api.post("/abort_request", {{"abort_all", true}}))["num_aborted"], 1);
  api.finish(*other);
  EXPECT_EQ(reason_of(*other), "abort");
  EXPECT_TRUE(api.context.running.find("").empty());
}

TEST(AbortTest, AStreamEndsProperly) {
  ApiHarness api;
  api.say(std::string(200, 'q'));
  Json body = user_says("hi");
  body.update({{"stream", true}, {"rid", "chat-7"}, {"n", 2}});
  const auto exchange = api.post(kChat, body);
  for (int i = 0; i < 5; ++i) api.engine.step();
  exchange->run_posted();
  EXPECT_EQ(answer_of(*api.post("/abort_request", {{"rid", "chat-7"}}))["num_aborted"], 2);
  api.finish(*exchange);
  EXPECT_THAT(exchange->body, HasSubstr(R"("finish_reason":"abort")"));
  EXPECT_TRUE(exchange->body.ends_with("data: [DONE]\n\n"));
}

TEST(AbortTest, KnowsTheHttpRequestsIdToo) {
  ApiHarness api;
  HttpRequest http;
  http.method = "POST";
  http.path = kNative;
  http.body = endless("a").dump();
  http.headers.emplace_back("X-Request-Id", "from-a-proxy");
  const auto exchange = api.send(std::move(http));
  EXPECT_EQ(answer_of(*api.post("/abort_request", {{"rid", "from-a-proxy"}}))["num_aborted"], 1);
  api.finish(*exchange);
  EXPECT_EQ(reason_of(*exchange), "abort");
}

// From another connection's thread: what would be left of the answer runs on, and nobody knows.
TEST(AbortTest, FindsAllSequencesOfAnAnswerOrNone) {
  constexpr size_t kSequences = 1000;
  ApiHarness api;
  Json body = endless("many");
  body["input_ids"] = std::vector<std::vector<TokenId>>(kSequences, {1, 2, 3});
  std::shared_ptr<FakeExchange> exchange;
  std::atomic<bool> posted = false;
  std::thread connection([&] {
    exchange = api.post(kNative, body);
    posted = true;
  });
  std::vector<RequestId> found;
  while (found.empty() && !posted) found = api.context.running.find("");
  EXPECT_TRUE(found.empty() || found.size() == kSequences) << found.size();
  connection.join();
  EXPECT_EQ(api.context.running.find("").size(), kSequences);
}

TEST(RoutesTest, ASlashMoreAtTheEndIsTheSamePath) {
  ApiHarness api;
  api.say("yes");
  EXPECT_EQ(api.ask("/v1/chat/completions/", user_says("hi"))["object"], "chat.completion");
  EXPECT_EQ(answer_of(*api.send("GET", "/v1/models/?x=1", ""))["object"], "list");
  const auto page = api.send("GET", "/status/", "");  // its links are relative
  EXPECT_EQ(page->status, 307);
  EXPECT_THAT(page->headers, Contains(Pair("Location", "../status")));
  EXPECT_EQ(api.send("GET", "//", "")->status, 404);
  EXPECT_EQ(api.send("GET", "/v1/models//", "")->status, 404);
}

TEST(RoutesTest, AnEncodedBodyIsRefusedByItsEncoding) {
  ApiHarness api;
  const auto refused = api.send("POST", kChat, "\x1f\x8b", {{"Content-Encoding", "gzip"}});
  EXPECT_EQ(refused->status, 415);
  EXPECT_THAT(refused->body, HasSubstr("Content-Encoding gzip"));
  const auto plain =
      api.send("POST", kChat, user_says("hi").dump(), {{"Content-Encoding", "identity"}});
  api.finish(*plain);
  EXPECT_EQ(plain->status, 200);
}

TEST(AbortTest, WhatEndedIsForgotten) {
  ApiHarness api;
  api.say("yes");
  api.ask(kNative, {{"text", "Is it?"}, {"rid", "done"}});
  const auto left = api.post(kNative, endless("left", /*stream=*/true));
  EXPECT_EQ(api.context.running.find("").size(), 1u);
  left->disconnect();
  EXPECT_TRUE(api.context.running.find("").empty());
}

TEST(AbortTest, RefusesWhatIsNoName) {
  ApiHarness api;
  EXPECT_EQ(api.post("/abort_request", {{"rid", 3}})->status, 400);
  EXPECT_EQ(api.send("POST", "/abort_request", "{")->status, 400);
}

TEST(PauseTest, InPlaceWhatRunsStandsStillAndGoesOn) {
  ApiHarness api;
  api.say("one two three four five six");
  const Json body = {{"text", "count"}};
  const std::string alone = api.ask(kNative, body)["text"].get<std::string>();
  const auto running = api.post(kNative, body);
  for (int i = 0; i < 4; ++i) api.engine.step();
  const auto paused = api.post("/pause_generation", {{"mode", "in_place"}});
  api.finish(*paused);
  EXPECT_EQ(paused->status, 200);
  const auto waiting = api.post(kNative, body);
  while (api.engine.step()) {
  }
  EXPECT_FALSE(running->complete);
  const Json state = answer_of(*api.send("GET", "/server_info", ""))["internal_states"][0];
  EXPECT_EQ(state["is_paused"], true);
  EXPECT_EQ(state["num_paused_reqs"], 1);
  EXPECT_EQ(state["num_waiting_reqs"], 1);
  EXPECT_EQ(api.send("GET", "/health", "")->status, 200);
  EXPECT_THAT(api.send("GET", "/health", "")->body, HasSubstr("paused"));
  EXPECT_EQ(api.send("GET", "/health_generate", "")->status, 503);
  api.finish(*api.send("POST", "/continue_generation", ""));
  api.finish(*running);
  api.finish(*waiting);
  EXPECT_EQ(answer_of(*running)["text"], alone);
  EXPECT_EQ(answer_of(*waiting)["text"], alone);
  EXPECT_EQ(api.send("GET", "/health", "")->body, "");
}

TEST(PauseTest, AbortIsTheDefaultAndLaterRequestsWait) {
  ApiHarness api;
  const auto running = api.post(kNative, endless("a"));
  api.engine.step();
  const auto paused = api.send("POST", "/pause_generation", "");
  api.finish(*paused);
  EXPECT_EQ(paused->status, 200);
  api.finish(*running);
  EXPECT_EQ(reason_of(*running), "abort");
  EXPECT_EQ(api.engine.stats().num_used_tokens, 0);  // and so the cache can be flushed
  api.say("yes");
  const auto later = api.post(kNative, {{"text", "Is it?"}});
  while (api.engine.step()) later->run_posted();
  EXPECT_FALSE(later->complete);
  api.finish(*api.post("/continue_generation", Json::object()));
  api.finish(*later);
  EXPECT_EQ(answer_of(*later)["text"], "yes");
}

TEST(PauseTest, RefusesAnotherMode) {
  ApiHarness api;
  const auto refused = api.post("/pause_generation", {{"mode", "gently"}});
  EXPECT_EQ(refused->status, 400);
  EXPECT_EQ(answer_of(*refused)["param"], "mode");
  EXPECT_FALSE(api.engine.stats().paused);
}

TEST(FlushTest, WaitsForAnIdleServer) {
  ApiHarness api;
  api.say("yes");
  const auto running = api.post(kNative, {{"text", "Is it?"}});
  api.engine.step();
  const auto flush = api.send("POST", "/flush_cache?timeout=1000", "");
  const auto turn = [&] {
    api.engine.step();
    flush->run_posted();
  };
  turn();
  EXPECT_FALSE(flush->complete);
  api.finish(*running);
  flush->time_passes();
  turn();
  EXPECT_EQ(flush->status, 200);
  EXPECT_EQ(flush->body, "Cache flushed.\n");
  for (const char* bad : {"soon", "-1", "1x", "inf"})
    EXPECT_EQ(api.send("GET", cat("/flush_cache?timeout=", bad), "")->status, 400) << bad;
}

std::set<std::string> keys_of(const Json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

// The keys that SGLang's router reads.
TEST(LoadsTest, HasEveryKeyOfEverySection) {
  ApiHarness api;
  const Json loads = answer_of(*api.send("GET", "/v1/loads", ""));
  EXPECT_EQ(keys_of(loads), (std::set<std::string>{"timestamp", "version", "accelerator",
                                                   "num_accelerators", "loads"}));
  const Json& load = loads["loads"][0];
  EXPECT_EQ(keys_of(load),
            (std::set<std::string>{"timestamp", "dp_rank", "num_running_reqs", "num_waiting_reqs",
                                   "num_waiting_uncached_tokens", "num_used_tokens",
                                   "num_total_tokens", "num_active_tokens", "max_total_num_tokens",
                                   "max_running_requests", "token_usage", "gen_throughput",
                                   "cache_hit_rate", "utilization", "total_prefill_uncached_tokens",
                                   "total_prefill_busy_us", "memory", "queues", "disaggregation"}));
  EXPECT_EQ(keys_of(load["memory"]),
            (std::set<std::string>{"weight_gb", "kv_cache_gb", "graph_gb", "token_capacity"}));
  EXPECT_EQ(keys_of(load["queues"]),
            (std::set<std::string>{"waiting", "grammar", "paused", "retracted", "prealloc_ready"}));
  EXPECT_EQ(load["disaggregation"]["mode"], "null");
}

TEST(LoadsTest, CountsWhatRunsAndWaits) {
  SchedulerLimits limits = ApiHarness::default_limits();
  limits.max_running_requests = 1;
  ApiHarness api(limits);
  const auto running = api.post(kNative, endless("a"));
  const auto waiting = api.post(kNative, endless("b"));
  for (int i = 0; i < 3; ++i) api.engine.step();
  const Json load = answer_of(*api.send("GET", "/v1/loads?include=core,queues", ""))["loads"][0];
  EXPECT_EQ(load["num_running_reqs"], 1);
  EXPECT_EQ(load["num_waiting_reqs"], 1);
  EXPECT_EQ(load["num_waiting_uncached_tokens"], 3);
  EXPECT_EQ(load["num_total_tokens"], load["num_used_tokens"].get<int>() + 3);
  EXPECT_EQ(load["utilization"], 1.0);
  EXPECT_EQ(load["total_prefill_uncached_tokens"], 3);
  EXPECT_EQ(load["queues"]["waiting"], 1);
  EXPECT_FALSE(load.contains("memory"));
  const Json old = answer_of(*api.send("GET", "/get_load", ""))[0];
  EXPECT_EQ(old["num_reqs"], 2);
  EXPECT_EQ(old["num_waiting_reqs"], 1);
}

TEST(LoadsTest, SpeaksPrometheusToo) {
  ApiHarness api;
  const auto answer = api.send("GET", "/v1/loads?format=prometheus&dp_rank=0", "");
  EXPECT_THAT(answer->body, HasSubstr("# TYPE sglang_num_running_reqs gauge\n"
                                      "sglang_num_running_reqs{dp_rank=\"0\"} 0\n"));
  EXPECT_THAT(answer->body, HasSubstr("sglang_memory_token_capacity{dp_rank=\"0\"} 4096\n"));
  EXPECT_THAT(answer->body, testing::Not(HasSubstr("null")));
}

TEST(LoadsTest, RefusesWhatDoesNotExist) {
  ApiHarness api;
  for (const char* query : {"include=core,colour", "include=,", "format=xml", "dp_rank=1"})
    EXPECT_EQ(api.send("GET", cat("/v1/loads?", query), "")->status, 400) << query;
}

TEST(StatusTest, VersionIsThereOnlyWhenAskedFor) {
  ApiHarness api;
  EXPECT_EQ(api.send("GET", "/version", "")->status, 404);
  api.context.options.serve_version = true;
  api.context.options.version = "1.2.3";
  EXPECT_EQ(answer_of(*api.send("GET", "/version", "")), Json({{"version", "1.2.3"}}));
}

TEST(StatusTest, WhatHasNoMeaningSaysSo) {
  ApiHarness api;
  const auto answer = api.send("POST", "/start_profile", "");
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->body, HasSubstr("nothing was done"));
}

TEST(StatusTest, WhatNeverWillBeIsRefusedInASentence) {
  ApiHarness api;
  for (const char* path : {"/v1/embeddings", "/v1/rerank", "/load_lora_adapter", "/v1/audio/speech",
                           "/update_weights_from_disk"}) {
    const auto answer = api.post(path, {{"input", "a"}});
    EXPECT_EQ(answer->status, 400) << path;
    EXPECT_THAT(answer->body, HasSubstr("does not support")) << path;
  }
}

TEST(StatusTest, InvocationsAreChats) {
  ApiHarness api;
  api.say("thought</think>hello");
  const Json answer = api.ask("/invocations", user_says("hi"));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "hello");
  EXPECT_EQ(api.send("GET", "/ping", "")->status, 200);
}

TEST(StartingTest, EverybodyIsToldHowFarItIs) {
  std::atomic<int> percent_loaded = 43;
  const Router router = make_starting_router(percent_loaded);
  const auto told = [&](const char* method, const char* path) {
    HttpRequest request;
    request.method = method;
    request.path = path;
    const auto exchange = std::make_shared<FakeExchange>(std::move(request));
    router.route(exchange);
    EXPECT_EQ(exchange->status, 503) << path;
    EXPECT_THAT(exchange->headers, Contains(Pair("Retry-After", "2"))) << path;
    EXPECT_THAT(exchange->body, HasSubstr(cat(percent_loaded, " % of the weights are loaded")));
    return exchange->body;
  };
  EXPECT_EQ(told("GET", "/health").front(), 'T');
  EXPECT_EQ(Json::parse(told("POST", kChat))["error"]["code"], 503);
  percent_loaded = 99;
  EXPECT_EQ(Json::parse(told("POST", "/v1/messages"))["error"]["type"], "overloaded_error");
  EXPECT_TRUE(Json::parse(told("POST", "/api/chat"))["error"].is_string());
  told("GET", "/metrics");
}

}  // namespace
}  // namespace glint
