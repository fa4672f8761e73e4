// The engine as its callers see it, with the null model: events, refusals, cancels, and that other
// threads may call it.

#include "engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "engine/null_model_runner.h"
#include "scheduler/scheduler.h"

namespace glint {
namespace {

constexpr int kNumTokens = 1000;

SchedulerLimits small_limits() {
  SchedulerLimits limits;
  limits.page_size = 4;
  limits.num_pages = 64;
  limits.max_running_requests = 8;
  limits.context_length = 128;
  return limits;
}

// What one request's sink saw. Finished answers are read after the engine ended them.
struct Answer {
  std::vector<TokenId> ids;
  std::vector<OutputToken> tokens;
  Usage usage;
  RequestTimes times;
  std::optional<Finish> finish;
};

class EngineTest : public testing::Test {
 protected:
  void start(const SchedulerLimits& limits) {
    engine_ =
        std::make_unique<Engine>(limits, std::make_unique<NullModelRunner>(kNumTokens), clock_);
  }
  Result<RequestId> submit(Answer& answer, GenerateRequest request) {
    return engine_->submit(std::move(request), [&answer](TokenEvent&& event) {
      EXPECT_FALSE(answer.finish.has_value()) << "an event after the last";
      for (const OutputToken& token : event.tokens) {
        answer.ids.push_back(token.id);
        answer.tokens.push_back(token);
      }
      answer.usage = event.usage;
      answer.times = event.times;
      answer.finish = event.finish;
    });
  }
  static GenerateRequest request(int max_tokens, uint64_t seed = 1) {
    GenerateRequest request;
    request.prompt = {1, 2, 3, 4, 5};
    request.max_tokens = max_tokens;
    request.sampling.seed = seed;
    return request;
  }
  void run_until_idle() {
    while (engine_->step()) {
    }
  }

  SteadyClock clock_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, AnswersWithTokensThenLength) {
  start(small_limits());
  Answer answer;
  ASSERT_TRUE(submit(answer, request(7)).has_value());
  run_until_idle();
  EXPECT_EQ(answer.ids.size(), 7u);
  ASSERT_TRUE(answer.finish.has_value());
  EXPECT_EQ(answer.finish->reason, FinishReason::kLength);
  EXPECT_EQ(answer.usage.prompt_tokens, 5);
  EXPECT_EQ(answer.usage.completion_tokens, 7);
}

TEST_F(EngineTest, StopIdEndsAndIsTheLastToken) {
  start(small_limits());
  Answer whole, stopped;
  ASSERT_TRUE(submit(whole, request(7)).has_value());
  run_until_idle();
  GenerateRequest stops = request(7);
  stops.sampling.stop_token_ids = {whole.ids[3]};
  ASSERT_TRUE(submit(stopped, stops).has_value());
  run_until_idle();
  EXPECT_EQ(stopped.ids, std::vector<TokenId>(whole.ids.begin(), whole.ids.begin() + 4));
  EXPECT_EQ(stopped.finish->reason, FinishReason::kStop);
  EXPECT_EQ(stopped.finish->matched_stop, whole.ids[3]);
  EXPECT_EQ(stopped.usage.cached_tokens, 4);
}

TEST_F(EngineTest, LogprobsComeWhereAsked) {
  start(small_limits());
  Answer without, with;
  ASSERT_TRUE(submit(without, request(1)).has_value());
  GenerateRequest asks = request(1);
  asks.sampling.num_logprobs = 3;
  asks.sampling.logprob_ids = {5, 6};
  ASSERT_TRUE(submit(with, asks).has_value());
  run_until_idle();
  EXPECT_FALSE(without.tokens[0].logprobs.has_value());
  EXPECT_EQ(with.tokens[0].logprobs->top.size(), 3u);
  EXPECT_EQ(with.tokens[0].logprobs->of_ids.size(), 2u);
}

TEST_F(EngineTest, ZeroMaxTokensAnswersWithoutTokens) {
  start(small_limits());
  Answer answer;
  ASSERT_TRUE(submit(answer, request(0)).has_value());
  run_until_idle();
  EXPECT_TRUE(answer.ids.empty());
  EXPECT_EQ(answer.finish->reason, FinishReason::kLength);
  EXPECT_EQ(answer.usage.completion_tokens, 0);
}

TEST_F(EngineTest, UnsetMaxTokensRunsToTheContext) {
  start(small_limits());
  Answer answer;
  ASSERT_TRUE(submit(answer, request(GenerateRequest::kMaxTokensUnset)).has_value());
  run_until_idle();
  EXPECT_EQ(answer.ids.size(), 123u);
}

TEST_F(EngineTest, WhatCannotFitIsRefusedAtOnce) {
  start(small_limits());
  Answer answer;
  const auto refused = submit(answer, request(124));
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidRequest);
  EXPECT_EQ(refused.error().param, "max_tokens");
}

TEST_F(EngineTest, FullQueueRefusesUntilOneStarts) {
  SchedulerLimits limits = small_limits();
  limits.max_queued_requests = 2;
  limits.max_running_requests = 1;
  start(limits);
  std::vector<Answer> answers(5);
  EXPECT_TRUE(submit(answers[0], request(9)).has_value());
  EXPECT_TRUE(submit(answers[1], request(9)).has_value());
  const auto refused = submit(answers[2], request(9));
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.error().message,
            "The queue is full: 2 requests wait already (--max-queued-requests). Try again later.");
  engine_->step();  // the first one starts
  EXPECT_TRUE(submit(answers[3], request(9)).has_value());
  EXPECT_FALSE(submit(answers[4], request(9)).has_value());
  run_until_idle();
  EXPECT_TRUE(submit(answers[4], request(9)).has_value());
  run_until_idle();
}

TEST_F(EngineTest, CancelEndsWithAbortAtTheNextStep) {
  start(small_limits());
  Answer running, waiting;
  const RequestId first = *submit(running, request(100));
  engine_->step();
  engine_->step();
  const RequestId second = *submit(waiting, request(100));
  engine_->cancel(first);
  engine_->cancel(second);
  engine_->cancel(12345);
  engine_->step();
  EXPECT_EQ(running.finish->reason, FinishReason::kAbort);
  EXPECT_EQ(waiting.finish->reason, FinishReason::kAbort);
  engine_->cancel(first);
  run_until_idle();
  const EngineStats stats = engine_->stats();
  EXPECT_EQ(stats.num_used_tokens, 0);
  EXPECT_EQ(stats.aborted_requests_total, 2);
}

TEST_F(EngineTest, StepsAreCountedByWhatTheyCompute) {
  start(small_limits());
  Answer answer;
  ASSERT_TRUE(submit(answer, request(4)).has_value());
  run_until_idle();
  const EngineStats stats = engine_->stats();
  EXPECT_EQ(stats.prompt_steps.steps, 1);
  EXPECT_EQ(stats.prompt_steps.prompt_tokens, 5);
  EXPECT_EQ(stats.prompt_steps.decode_rows, 0);
  EXPECT_EQ(stats.decode_steps.steps, stats.steps_total - 1);
  EXPECT_EQ(stats.decode_steps.decode_rows, stats.decode_steps.steps);
  EXPECT_EQ(stats.decode_steps.prompt_tokens, 0);
  EXPECT_EQ(stats.step_tokens.counts[0], static_cast<uint64_t>(stats.decode_steps.steps));
  EXPECT_EQ(stats.step_tokens.counts[1], 1u) << "5 tokens of the prompt: above 1, at most 8";
  EXPECT_EQ(stats.step_tokens.sum, static_cast<double>(5 + stats.decode_steps.decode_rows));
}

TEST_F(EngineTest, EventsSayWhenThingsHappened) {
  SchedulerLimits limits = small_limits();
  limits.max_running_requests = 1;
  start(limits);
  const double before_s = clock_.now_s();
  Answer first, second, never;
  ASSERT_TRUE(submit(first, request(4)).has_value());
  ASSERT_TRUE(submit(second, request(4)).has_value());
  const RequestId id = *submit(never, request(4));
  engine_->cancel(id);
  run_until_idle();
  EXPECT_GE(first.times.submitted_s, before_s);
  EXPECT_GE(first.times.started_s, first.times.submitted_s);
  EXPECT_GE(first.times.first_token_s, first.times.started_s);
  EXPECT_GT(first.times.last_token_s, first.times.first_token_s);
  EXPECT_GE(second.times.started_s, first.times.last_token_s) << "it waited for the only slot";
  EXPECT_EQ(never.times.started_s, 0);
  EXPECT_EQ(never.times.first_token_s, 0);
}

// 10 pages of 4 hold two requests of 5 + 19 tokens for a while, not to the end.
TEST_F(EngineTest, RetractedTokensAreCounted) {
  SchedulerLimits limits = small_limits();
  limits.num_pages = 10;
  limits.prefix_cache = false;
  start(limits);
  Answer first, second;
  ASSERT_TRUE(submit(first, request(19, 1)).has_value());
  ASSERT_TRUE(submit(second, request(19, 2)).has_value());
  int most_retracted = 0;
  while (engine_->step())
    most_retracted = std::max(most_retracted, engine_->stats().num_retracted_requests);
  const EngineStats stats = engine_->stats();
  ASSERT_EQ(stats.retractions_total, 1);
  EXPECT_EQ(most_retracted, 1);
  EXPECT_EQ(stats.num_retracted_requests, 0);
  EXPECT_EQ(stats.retracted_prompt_tokens_total, 5);
  EXPECT_GT(stats.retracted_output_tokens_total, 8);
  EXPECT_EQ(second.usage.num_retractions, 1);
  EXPECT_LT(second.times.started_s, first.times.last_token_s) << "of its first start";
}

TEST_F(EngineTest, FlushIsRefusedWhileRequestsRun) {
  start(small_limits());
  Answer answer;
  ASSERT_TRUE(submit(answer, request(100)).has_value());
  engine_->step();
  std::string refusal;
  engine_->flush_cache([&](Result<void> result) {
    if (!result.has_value()) refusal = result.error().message;
  });
  engine_->step();
  EXPECT_EQ(refusal,
            "The cache is in use: 1 request runs and 0 wait. Flush it when the server is idle.");
  run_until_idle();
  EXPECT_GT(engine_->stats().num_cached_tokens, 0);
  bool flushed = false;
  engine_->flush_cache([&](Result<void> result) {
    flushed = result.has_value();
    EXPECT_EQ(engine_->stats().num_cached_tokens, 0) << "whoever has the answer may read the stats";
  });
  engine_->step();
  EXPECT_TRUE(flushed);
}

TEST_F(EngineTest, PausedItComputesNothingAndThenGoesOnAsIfItHadNot) {
  start(small_limits());
  Answer alone, paused, late;
  ASSERT_TRUE(submit(alone, request(9)).has_value());
  run_until_idle();
  ASSERT_TRUE(submit(paused, request(9)).has_value());
  while (paused.ids.size() < 3) engine_->step();
  bool is_paused = false;
  engine_->pause([&](Result<void> done) { is_paused = done.has_value(); });
  run_until_idle();
  EXPECT_TRUE(is_paused);
  const size_t num_ids = paused.ids.size();
  const int64_t steps = engine_->stats().steps_total;
  ASSERT_TRUE(submit(late, request(2)).has_value());
  run_until_idle();
  EXPECT_EQ(paused.ids.size(), num_ids);
  EXPECT_EQ(engine_->stats().steps_total, steps);
  EXPECT_EQ(engine_->stats().num_paused_requests(), 1);
  EXPECT_EQ(engine_->stats().num_queued_requests, 1);
  engine_->resume([](Result<void> done) { EXPECT_TRUE(done.has_value()); });
  run_until_idle();
  EXPECT_EQ(paused.ids, alone.ids);
  EXPECT_EQ(late.ids.size(), 2u);
  EXPECT_EQ(engine_->stats().num_paused_requests(), 0);
}

TEST_F(EngineTest, APausedEngineCancelsAndStops) {
  start(small_limits());
  Answer cancelled, open;
  engine_->pause([](Result<void>) {});
  const auto id = submit(cancelled, request(9));
  ASSERT_TRUE(submit(open, request(9)).has_value());
  engine_->cancel(*id);
  run_until_idle();
  ASSERT_TRUE(cancelled.finish.has_value());
  EXPECT_EQ(cancelled.finish->reason, FinishReason::kAbort);
  EXPECT_FALSE(open.finish.has_value());
  engine_->stop();
  engine_->run();
  ASSERT_TRUE(open.finish.has_value());
  EXPECT_EQ(open.finish->reason, FinishReason::kAbort);
  bool refused = false;
  engine_->resume([&](Result<void> done) { refused = !done.has_value(); });
  EXPECT_TRUE(refused);
}

TEST_F(EngineTest, StopAbortsEveryoneAndRefusesNewOnes) {
  start(small_limits());
  std::vector<Answer> answers(20);
  for (Answer& answer : answers) ASSERT_TRUE(submit(answer, request(100)).has_value());
  engine_->step();
  engine_->stop();
  engine_->run();
  for (const Answer& answer : answers) EXPECT_EQ(answer.finish->reason, FinishReason::kAbort);
  const auto refused = submit(answers[0], request(1));
  EXPECT_EQ(refused.error().message, "The server is shutting down. Try another one, or later.");
  EXPECT_EQ(engine_->stats().num_used_tokens, 0);
}

// Eight threads submit, cancel and read stats while the engine runs: every request ends once, and
// those nobody cancelled get what they get alone.
TEST_F(EngineTest, AnyThreadMaySubmitAndCancel) {
  start(small_limits());
  Answer alone;
  ASSERT_TRUE(submit(alone, request(20, /*seed=*/5)).has_value());
  run_until_idle();

  std::thread engine_thread([&] { engine_->run(); });
  std::atomic<int> num_ended{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 50; ++i) {
        auto ids = std::make_shared<std::vector<TokenId>>();
        auto end = std::make_shared<std::promise<FinishReason>>();
        const auto id = engine_->submit(request(20, 5), [ids, end](TokenEvent&& event) {
          for (const OutputToken& token : event.tokens) ids->push_back(token.id);
          if (event.finish) end->set_value(event.finish->reason);
        });
        ASSERT_TRUE(id.has_value());
        const bool cancels = (client + i) % 3 == 0;
        if (cancels) engine_->cancel(*id);
        const FinishReason reason = end->get_future().get();
        if (!cancels) {
          EXPECT_EQ(*ids, alone.ids);
          EXPECT_EQ(reason, FinishReason::kLength);
        }
        EXPECT_LE(engine_->stats().num_running_requests, 8);
        ++num_ended;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  engine_->stop();
  engine_thread.join();
  EXPECT_EQ(num_ended, 400);
  EXPECT_EQ(engine_->stats().requests_total, 401);
  EXPECT_EQ(engine_->stats().num_used_tokens, 0);
}

// A sink may submit and cancel: an agent's next call, or a stop string that was seen.
TEST_F(EngineTest, SinkMayCallTheEngine) {
  start(small_limits());
  Answer second;
  int num_tokens = 0;
  std::optional<Finish> finish;
  RequestId first = 0;
  first = *engine_->submit(request(100), [&](TokenEvent&& event) {
    num_tokens += static_cast<int>(event.tokens.size());
    if (num_tokens == 3 && !event.finish) {
      engine_->cancel(first);
      EXPECT_TRUE(submit(second, request(2)).has_value());
    }
    finish = event.finish;
  });
  run_until_idle();
  EXPECT_EQ(finish->reason, FinishReason::kAbort);
  EXPECT_EQ(num_tokens, 3) << "the cancel takes effect at the next step";
  EXPECT_EQ(second.ids.size(), 2u);
}

}  // namespace
}  // namespace glint
