// The bounds of what is kept: the oldest finished responses go, running ones stay.

#include "api/responses/response_store.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace glint {
namespace {

StoredResponse stored(const std::string& id, bool finished = true, size_t text_bytes = 10) {
  const std::string status = finished ? "completed" : "in_progress";
  const Json item = {{"id", "msg_" + id}, {"text", std::string(text_bytes, 'x')}};
  return {.id = id,
          .body = {{"id", id}, {"status", status}, {"output", Json::array({item})}},
          .input = Json::array({{{"id", "in_" + id}}}),
          .background = !finished,
          .finished = finished};
}

TEST(ResponseStoreTest, TheOldestGoesWhenThereAreTooMany) {
  ResponseStore store({.max_responses = 2});
  for (const char* id : {"a", "b", "c"}) store.add(stored(id));
  EXPECT_FALSE(store.find("a"));
  EXPECT_FALSE(store.find_item("msg_a"));
  EXPECT_TRUE(store.find("b"));
  EXPECT_EQ(store.find("c")->body["id"], "c");
  EXPECT_EQ(store.num_responses(), 2u);
}

TEST(ResponseStoreTest, TheOldestGoWhenTheyTakeTooMuch) {
  ResponseStore store({.max_responses = 100, .max_bytes = 10'000});
  for (const char* id : {"a", "b", "c"}) store.add(stored(id));
  store.add(stored("d", true, 8'000));
  EXPECT_TRUE(store.find("d"));
  EXPECT_FALSE(store.find("a"));
  EXPECT_LE(store.num_bytes(), 10'000u);
  store.add(stored("e", true, 20'000));  // more than there is room for at all
  EXPECT_FALSE(store.find("e"));
  EXPECT_EQ(store.num_responses(), 0u);
  EXPECT_EQ(store.num_bytes(), 0u);
}

TEST(ResponseStoreTest, RunningResponsesStayAndBoundTheirNumber) {
  ResponseStore store({.max_responses = 2});
  store.add(stored("running", false));
  EXPECT_TRUE(store.check_room());
  store.add(stored("b"));
  store.add(stored("c"));
  EXPECT_TRUE(store.find("running"));
  EXPECT_FALSE(store.find("b"));
  store.add(stored("too", false));
  const Result<void> full = store.check_room();
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kOverloaded);
}

TEST(ResponseStoreTest, ACancelledResponseTakesNoMoreUpdates) {
  ResponseStore store;
  int cancelled = 0;
  StoredResponse running = stored("r", false);
  running.cancel = [&] { ++cancelled; };
  store.add(running);
  EXPECT_EQ(store.cancel("r")->at("status"), "cancelled");
  EXPECT_EQ(store.cancel("r")->at("status"), "cancelled");
  EXPECT_EQ(cancelled, 1);
  store.update("r", stored("r").body, true);
  EXPECT_EQ(store.find("r")->body["status"], "cancelled");
  EXPECT_FALSE(store.cancel("other"));
}

TEST(ResponseStoreTest, ItemsAreFoundByTheirIds) {
  ResponseStore store;
  store.add(stored("a"));
  EXPECT_EQ(store.find_item("msg_a")->at("text"), "xxxxxxxxxx");
  EXPECT_TRUE(store.find_item("in_a"));
  EXPECT_TRUE(store.remove("a"));
  EXPECT_FALSE(store.find_item("msg_a"));
  EXPECT_FALSE(store.remove("a"));
  EXPECT_EQ(store.num_bytes(), 0u);
}

}  // namespace
}  // namespace glint
