#include "bench/serving/server_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "http/server.h"

namespace glint {
namespace {

TEST(ServerProbeTest, CountsStepsOfAGlintServer) {
  constexpr std::string_view kMetrics =
      "# HELP glint_decode_steps_total Steps.\n"
      "glint_decode_steps_total{model_name=\"a b 9\"} 7\n"
      "glint_decode_steps_seconds_total{model_name=\"a\"} 0.5\n"
      "glint_decode_steps_decode_rows_total{model_name=\"a\"} 21\n"
      "glint_prompt_steps_total 2\n"
      "glint_prompt_steps_prompt_tokens_total{model_name=\"a\"} 1e3\n";
  const auto counts = parse_server_counts(kMetrics);
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->decode.steps, 7);
  EXPECT_EQ(counts->decode.seconds, 0.5);
  EXPECT_EQ(counts->decode.decode_rows, 21);
  EXPECT_EQ(counts->prompt.steps, 2);
  EXPECT_EQ(counts->prompt.prompt_tokens, 1000);
  EXPECT_EQ((*counts - *counts).prompt.prompt_tokens, 0);
}

TEST(ServerProbeTest, AnotherServersMetricsAreNone) {
  EXPECT_FALSE(parse_server_counts("sglang:num_running_reqs 1\n"));
  EXPECT_FALSE(parse_server_counts(""));
}

TEST(ServerProbeTest, AcceptLength) {
  EXPECT_EQ(accept_length({{"internal_states", {{{"avg_spec_accept_length", 2.5}}}}}), 2.5);
  for (const Json& none : {Json(nullptr), Json{{"internal_states", Json::array()}},
                           Json{{"internal_states", {{{"avg_spec_accept_length", nullptr}}}}}})
    EXPECT_FALSE(accept_length(none)) << none;
}

TEST(ServerProbeTest, WithoutAServerItSaysHowToStartOne) {
  int num_waits = 0;
  const auto on_wait = [&](const std::string& why) {
    EXPECT_THAT(why, testing::HasSubstr("glint serve"));
    ++num_waits;
  };
  for (const double timeout_s : {0.0, 0.7}) {  // one try, then two, if the first was not slow
    const auto model = wait_for_model("http://127.0.0.1:9", {}, timeout_s, on_wait);
    ASSERT_FALSE(model);
    EXPECT_THAT(model.error().message, testing::HasSubstr("glint serve"));
  }
  EXPECT_LE(num_waits, 1);
}

// Answers with each status in turn, the last again and again.
class ModelsServer {
 public:
  explicit ModelsServer(std::vector<int> statuses) : statuses_(std::move(statuses)) {
    Router router;
    router.add("GET", "/v1/models", [this](std::shared_ptr<Exchange> exchange) {
      const int status = statuses_[std::min(num_asked_++, statuses_.size() - 1)];
      exchange->respond({.status = status,
                         .body = status == 200 ? R"({"data":[{"id":"the model"}]})"
                                               : R"({"error":{"message":"No."}})"});
    });
    server_ = *HttpServer::listen({.port = 0, .num_threads = 1}, std::move(router));
    server_->start();
  }
  std::string url() const { return cat("http://127.0.0.1:", server_->port()); }

 private:
  const std::vector<int> statuses_;
  size_t num_asked_ = 0;  // the server's one thread's
  std::unique_ptr<HttpServer> server_;
};

// Another try would be answered the same.
TEST(ServerProbeTest, ARefusalEndsTheWait) {
  for (const int status : {401, 403, 404}) {
    const ModelsServer server({status});
    const auto model = wait_for_model(server.url(), {}, /*timeout_s=*/60,
                                      [](const std::string& why) { ADD_FAILURE() << why; });
    ASSERT_FALSE(model);
    EXPECT_THAT(model.error().message,
                testing::StartsWith(cat(server.url(), "/v1/models answered ", status, ": No.")));
    EXPECT_EQ(model.error().message.find("OPENAI_API_KEY") != std::string::npos, status < 404);
  }
}

TEST(ServerProbeTest, AServerThatStartsIsWaitedFor) {
  const ModelsServer server({503, 200});
  std::vector<std::string> waits;
  const auto model = wait_for_model(server.url(), {}, /*timeout_s=*/60,
                                    [&](const std::string& why) { waits.push_back(why); });
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(*model, "the model");
  EXPECT_THAT(waits, testing::ElementsAre(testing::HasSubstr("answered 503: No.")));
}

}  // namespace
}  // namespace glint
