#include "bench/serving/server_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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
  for (const double timeout_s : {0.0, 0.7}) {  // one try, then two
    const auto model = wait_for_model("http://127.0.0.1:9", {}, timeout_s, on_wait);
    ASSERT_FALSE(model);
    EXPECT_THAT(model.error().message, testing::HasSubstr("glint serve"));
  }
  EXPECT_EQ(num_waits, 1);
}

// Another try would be answered the same; 503 is a server that starts.
TEST(ServerProbeTest, ARefusalEndsTheWait) {
  for (const int status : {401, 403, 404, 503}) {
    Router router;
    router.add("GET", "/v1/models", [status](std::shared_ptr<Exchange> exchange) {
      exchange->respond({.status = status, .body = R"({"error":{"message":"No."}})"});
    });
    auto server = HttpServer::listen({.port = 0}, std::move(router));
    ASSERT_TRUE(server) << server.error().message;
    (*server)->start();
    int num_waits = 0;
    const std::string url = cat("http://127.0.0.1:", (*server)->port());
    const auto model =
        wait_for_model(url, {}, /*timeout_s=*/0.7, [&](const std::string&) { ++num_waits; });
    ASSERT_FALSE(model);
    EXPECT_EQ(num_waits, status == 503 ? 1 : 0) << status;
    EXPECT_THAT(model.error().message,
                testing::StartsWith(cat(url, "/v1/models answered ", status, ": No.")));
    EXPECT_EQ(model.error().message.find("OPENAI_API_KEY") != std::string::npos, status < 404);
  }
}

}  // namespace
}  // namespace glint
