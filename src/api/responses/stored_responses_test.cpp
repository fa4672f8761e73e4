// What is kept of responses: GET and DELETE, responses in the background, their streams.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/responses/responses_harness.h"

namespace glint {
namespace {

using testing::HasSubstr;

TEST(StoredResponsesTest, AreGotAndDeleted) {
  ApiHarness api;
  api.say("x</think>y");
  const Json response = api.ask(kResponses, question("hi"));
  const std::string path = cat(kResponses, "/", text(response["id"]));
  EXPECT_EQ(Json::parse(api.send("GET", path, "")->body), response);
  const Json deleted = Json::parse(api.send("DELETE", path, "")->body);
  EXPECT_EQ(deleted["deleted"], true);
  EXPECT_EQ(api.send("GET", path, "")->status, 404);
  EXPECT_EQ(api.send("DELETE", path, "")->status, 404);
}

TEST(StoredResponsesTest, WithoutStoreNothingIsKept) {
  ApiHarness api;
  api.say("x</think>y");
  Json body = question("hi");
  body["store"] = false;
  const Json response = api.ask(kResponses, body);
  EXPECT_EQ(api.context.responses.num_responses(), 0u);
  Json next = question("more");
  next["previous_response_id"] = response["id"];
  const auto exchange = api.post(kResponses, next);
  EXPECT_EQ(exchange->status, 404);
  const Json error = Json::parse(exchange->body)["error"];
  EXPECT_EQ(error["param"], "previous_response_id");
  EXPECT_THAT(text(error["message"]), HasSubstr(text(response["id"])));
}

TEST(StoredResponsesTest, ABackgroundResponseIsQueuedThenCompleted) {
  ApiHarness api;
  api.say("thought</think>answer");
  Json body = question("hi");
  body["background"] = true;
  const auto exchange = api.post(kResponses, body);
  ASSERT_TRUE(exchange->complete);
  const Json queued = Json::parse(exchange->body);
  EXPECT_EQ(queued["status"], "queued");
  const std::string path = cat(kResponses, "/", text(queued["id"]));
  const auto status = [&] { return text(Json::parse(api.send("GET", path, "")->body)["status"]); };
  std::vector<std::string> seen = {status()};
  exchange->disconnect();  // it does not matter
  for (int i = 0; i < 200 && seen.back() != "completed"; ++i) {
    api.engine.step();
    exchange->run_posted();
    if (const std::string now = status(); now != seen.back()) seen.push_back(now);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"queued", "in_progress", "completed"}));
  const Json done = Json::parse(api.send("GET", path, "")->body);
  EXPECT_EQ(done["output"][1]["content"][0]["text"], "answer");
  EXPECT_EQ(done["background"], true);
}

TEST(StoredResponsesTest, ACancelledResponseFreesItsSequence) {
  ApiHarness api;
  api.say(std::string(500, 'a'));
  Json body = question("hi");
  body["background"] = true;
  const auto exchange = api.post(kResponses, body);
  for (int i = 0; i < 5; ++i) api.engine.step();
  exchange->run_posted();
  const std::string path = cat(kResponses, "/", text(Json::parse(exchange->body)["id"]));
  const auto cancelled = api.send("POST", path + "/cancel", "");
  EXPECT_EQ(Json::parse(cancelled->body)["status"], "cancelled");
  exchange->run_posted();
  int steps = 0;
  while (api.engine.step()) ++steps;
  EXPECT_LT(steps, 10);
  EXPECT_EQ(api.engine.stats().num_running_requests, 0);
  exchange->run_posted();
  EXPECT_EQ(Json::parse(api.send("GET", path, "")->body)["status"], "cancelled");
  EXPECT_EQ(api.send("POST", path + "/cancel", "")->status, 200);
}

TEST(StoredResponsesTest, ABackgroundStreamOutlivesItsClient) {
  ApiHarness api;
  api.say("thought</think>answer");
  Json body = question("hi");
  body["background"] = true;
  body["stream"] = true;
  const auto exchange = api.post(kResponses, body);
  const Json created = Json::parse(ApiHarness::events_of(exchange->body)[0])["response"];
  EXPECT_EQ(created["status"], "queued");
  exchange->is_writable = false;  // the client reads no more, and then leaves
  for (int i = 0; i < 5; ++i) api.engine.step();
  exchange->run_posted();
  exchange->is_writable = true;
  exchange->disconnect();
  while (api.engine.step()) exchange->run_posted();
  exchange->run_posted();
  const std::string path = cat(kResponses, "/", text(created["id"]));
  EXPECT_EQ(Json::parse(api.send("GET", path, "")->body)["status"], "completed");
}

// The stream that a client lost goes on where it was cut, on another connection.
TEST(StoredResponsesTest, ABackgroundStreamIsFollowedFromAnyEvent) {
  ApiHarness api;
  api.say("thought</think>answer");
  Json body = question("hi");
  body["background"] = true;
  body["stream"] = true;
  const auto first = api.post(kResponses, body);
  const std::string id = text(Json::parse(ApiHarness::events_of(first->body)[0])["response"]["id"]);
  for (int i = 0; i < 3; ++i) api.engine.step();
  first->run_posted();
  const auto follow = [&](const std::string& after) {
    const auto exchange =
        api.get(cat(kResponses, "/", id), {{"stream", "true"}, {"starting_after", after}});
    EXPECT_EQ(exchange->status, 200);
    return exchange;
  };
  const auto running = follow("1"), left = follow("0");
  left->disconnect();
  EXPECT_FALSE(running->complete);
  api.finish(*first);
  running->run_posted();
  EXPECT_TRUE(running->complete);
  std::vector<std::string> all = ApiHarness::events_of(first->body);
  EXPECT_EQ(Json::parse(all.back())["type"], "response.completed");
  const auto tail = [&](size_t skipped) {
    return std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(skipped), all.end());
  };
  EXPECT_EQ(ApiHarness::events_of(running->body), tail(2));
  EXPECT_EQ(ApiHarness::events_of(follow("4")->body), tail(5));
}

TEST(StoredResponsesTest, OnlyABackgroundStreamIsFollowed) {
  ApiHarness api;
  api.say("x</think>y");
  const std::string path = cat(kResponses, "/", text(api.ask(kResponses, question("hi"))["id"]));
  EXPECT_EQ(api.get(path, {{"stream", "true"}})->status, 400);
  EXPECT_EQ(api.get(path, {{"stream", "perhaps"}})->status, 400);
  EXPECT_EQ(api.get(path, {{"stream", "false"}})->status, 200);
  EXPECT_EQ(api.get(path + "0", {{"stream", "true"}})->status, 404);
}

TEST(StoredResponsesTest, OnlyABackgroundResponseIsCancelled) {
  ApiHarness api;
  api.say("x</think>y");
  const Json response = api.ask(kResponses, question("hi"));
  const auto exchange = api.send("POST", cat(kResponses, "/", text(response["id"]), "/cancel"), "");
  EXPECT_EQ(exchange->status, 400);
  EXPECT_EQ(api.send("POST", cat(kResponses, "/resp_none/cancel"), "")->status, 404);
  EXPECT_EQ(api.send("GET", cat(kResponses, "/", text(response["id"]), "/cancel"), "")->status,
            405);
}

}  // namespace
}  // namespace glint
