#include "bench/serving/serving_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <mutex>

#include "http/server.h"
#include "http/sse.h"

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A server whose /generate gives as many tokens as asked for, one event each, and remembers the
// order in which it was asked.
class ServingLoadTest : public testing::Test {
 protected:
  void SetUp() override {
    Router router;
    router.add("POST", "/generate", [this](std::shared_ptr<Exchange> exchange) {
      const Json body = *parse_json(exchange->request().body);
      const int count = body["sampling_params"]["max_new_tokens"].get<int>();
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(count);
        prompts_.push_back(body["text"].get<std::string>());
        routing_keys_.emplace_back(exchange->request().header("x-smg-routing-key"));
      }
      if (count == 13) return exchange->respond({.status = 500, .body = "unlucky"});
      exchange->begin_stream(200, "text/event-stream");
      for (int i = 1; i <= count; ++i)
        exchange->write(
            sse_event(cat(R"({"text":"x","meta_info":{"completion_tokens":)", i, "}}")));
      exchange->write(sse_event("[DONE]"));
      exchange->end_stream();
    });
    server_ = take(HttpServer::listen({.port = 0, .num_threads = 1}, std::move(router)));
    server_->start();
  }

  ServingLoad to_server() const {
    ServingLoad load;
    load.server = *parse_url(cat("http://127.0.0.1:", server_->port()));
    load.target = "/generate";
    load.format.backend = find_serving_backend("glint");
    return load;
  }

  LoadResult run(const std::vector<int>& output_lens, int max_concurrency,
                 std::vector<double> arrivals_s = {}) {
    ServingLoad load = to_server();
    for (const int len : output_lens)
      load.requests.push_back({.text = "a", .prompt_len = 1, .output_len = len});
    load.max_concurrency = max_concurrency;
    load.arrivals_s = std::move(arrivals_s);
    auto result = run_serving_load(load, SteadyClock(), [this](const LoadProgress& progress) {
      EXPECT_GE(progress.num_done, last_.num_done);
      last_ = progress;
    });
    EXPECT_TRUE(result) << result.error().message;
    return std::move(*result);
  }

  std::unique_ptr<HttpServer> server_;
  std::mutex mutex_;
  std::vector<int> asked_;
  std::vector<std::string> prompts_, routing_keys_;
  LoadProgress last_;
};

BenchRequest conversation(std::initializer_list<const char*> questions, int output_len) {
  BenchRequest request{.text = "first", .prompt_len = 10, .output_len = output_len};
  for (const char* question : questions) request.follow_ups.push_back({question, 2});
  return request;
}

TEST_F(ServingLoadTest, AFollowUpIsAskedAfterAllThatWasSaid) {
  ServingLoad load = to_server();
  load.requests = {conversation({" second", " third"}, 3), conversation({}, 1)};
  load.requests[0].routing_key = "a-group";
  load.max_concurrency = 1;  // conversations: the other one waits for all turns
  const LoadResult result = take(run_serving_load(load, SteadyClock(), nullptr));
  EXPECT_THAT(prompts_, ElementsAre("first", "firstxxx\n\n second",
                                    "firstxxx\n\n secondxxx\n\n third", "first"));
  EXPECT_THAT(routing_keys_, ElementsAre("a-group", "a-group", "a-group", ""));
  ASSERT_EQ(result.records.size(), 4u);
  EXPECT_EQ(result.records[1].prompt_len, 10 + 3 + 2);
  EXPECT_EQ(result.records[2].prompt_len, 10 + 3 + 2 + 3 + 2);
  EXPECT_LE(result.records[0].end_s, result.records[1].start_s);
}

TEST_F(ServingLoadTest, AFailedTurnEndsItsConversationAlone) {
  ServingLoad load = to_server();
  load.requests = {conversation({" second", " third"}, 13), conversation({" second"}, 2)};
  LoadProgress last;
  const LoadResult result = take(run_serving_load(
      load, SteadyClock(), [&](const LoadProgress& progress) { last = progress; }));
  ASSERT_EQ(result.records.size(), 5u);
  EXPECT_THAT(result.records[0].error, HasSubstr("unlucky"));
  EXPECT_THAT(result.records[2].error, HasSubstr("earlier turn"));
  EXPECT_TRUE(result.records[3].ok() && result.records[4].ok());
  EXPECT_EQ(last.num_done, 5u);
  EXPECT_EQ(last.num_failed, 3u);
}

TEST_F(ServingLoadTest, OneAtATimeIsInOrder) {
  const LoadResult result = run({5, 3, 9, 1}, 1);
  EXPECT_THAT(asked_, ElementsAre(5, 3, 9, 1));
  for (size_t i = 0; i < 4; ++i) {
    const RequestRecord& record = result.records[i];
    EXPECT_EQ(record.output_len, asked_[i]) << record.error;
    EXPECT_EQ(record.text, std::string(static_cast<size_t>(asked_[i]), 'x'));
    EXPECT_LE(record.start_s, record.token_times[0].time_s);
    EXPECT_LE(record.token_times.back().time_s, record.end_s);
    const double before_s = i > 0 ? result.records[i - 1].end_s : result.begin_s;
    EXPECT_GE(record.start_s, before_s);
  }
  EXPECT_LE(result.begin_s, result.records[0].start_s);
  EXPECT_GE(result.end_s, result.records[3].end_s);
}

TEST_F(ServingLoadTest, WithoutALimitAllAreSentBeforeAnyAnswerIsRead) {
  const LoadResult result = run(std::vector<int>(50, 20), 0);
  double last_start_s = 0, first_end_s = 1e300;
  for (const RequestRecord& record : result.records) {
    EXPECT_EQ(record.output_len, 20) << record.error;
    last_start_s = std::max(last_start_s, record.start_s);
    first_end_s = std::min(first_end_s, record.end_s);
  }
  EXPECT_LE(last_start_s, first_end_s);
}

TEST_F(ServingLoadTest, AFailedRequestDoesNotStopTheRest) {
  const LoadResult result = run({4, 13, 6}, 1);
  EXPECT_EQ(result.records[0].output_len, 4);
  EXPECT_THAT(result.records[1].error, HasSubstr("unlucky"));
  EXPECT_EQ(result.records[2].output_len, 6);
}

TEST_F(ServingLoadTest, ARequestIsNotSentBeforeItArrives) {
  const LoadResult result = run({1, 1, 1}, 0, {0, 0.01, 0.02});
  for (size_t i = 0; i < 3; ++i)
    EXPECT_GE(result.records[i].start_s - result.begin_s, 0.01 * static_cast<double>(i));
}

TEST_F(ServingLoadTest, ProgressCountsTokens) {
  run({13, 30, 30}, 0);
  EXPECT_EQ(last_.num_requests, 3u);
  EXPECT_LE(last_.num_tokens, 60);
}

// numpy.random.seed(42); after 8 uniforms, 8 exponentials of 0.25: tools/record_bench_streams.py.
TEST(PoissonArrivalsTest, AreSumsOfNumpysExponentials) {
  NumpyRandom random(42), same(42);
  const auto arrivals = poisson_arrivals_s(4, 5, random);
  ASSERT_EQ(arrivals.size(), 5u);
  EXPECT_EQ(arrivals[0], 0);
  for (size_t i = 1; i < 5; ++i)
    EXPECT_DOUBLE_EQ(arrivals[i] - arrivals[i - 1], same.exponential(0.25));
  EXPECT_TRUE(poisson_arrivals_s(INFINITY, 5, random).empty());
}

}  // namespace
}  // namespace glint
