// Running ahead or not, the report, and the watchdog.

#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/null_model_runner.h"
#include "engine/watchdog.h"

namespace glint {
namespace {

SchedulerLimits small_limits() {
  SchedulerLimits limits;
  limits.page_size = 4;
  limits.num_pages = 64;
  limits.max_running_requests = 8;
  limits.context_length = 128;
  return limits;
}

// The null model, which keeps count of the steps that were submitted and not collected.
class CountingRunner final : public ModelRunner {
 public:
  explicit CountingRunner(int& most) : runner_(1000), most_(most) {}
  Ticket submit(StepInput input) override {
    most_ = std::max(most_, ++num_open_);
    return runner_.submit(std::move(input));
  }
  StepOutput collect(Ticket ticket) override {
    --num_open_;
    return runner_.collect(ticket);
  }

 private:
  NullModelRunner runner_;
  int& most_;
  int num_open_ = 0;
};

// A model that computes until it is let go.
class HangingRunner final : public ModelRunner {
 public:
  explicit HangingRunner(std::shared_future<void> let_go) : runner_(1000), let_go_(let_go) {}
  Ticket submit(StepInput input) override { return runner_.submit(std::move(input)); }
  StepOutput collect(Ticket ticket) override {
    let_go_.wait();
    return runner_.collect(ticket);
  }

 private:
  NullModelRunner runner_;
  std::shared_future<void> let_go_;
};

GenerateRequest request(int max_tokens) {
  GenerateRequest request;
  request.prompt = {1, 2, 3};
  request.max_tokens = max_tokens;
  request.sampling.seed = 1;
  return request;
}

std::vector<TokenId> answer_of(Engine& engine, int max_tokens) {
  std::vector<TokenId> ids;
  const auto id = engine.submit(request(max_tokens), [&ids](TokenEvent&& event) {
    for (const OutputToken& token : event.tokens) ids.push_back(token.id);
  });
  EXPECT_TRUE(id.has_value());
  while (engine.step()) {
  }
  return ids;
}

TEST(EngineOptionsTest, WithoutRunAheadOneStepIsOpenAndTheAnswerIsTheSame) {
  const SteadyClock clock;
  std::vector<std::vector<TokenId>> answers;
  for (const bool run_ahead : {true, false}) {
    int most = 0;
    Engine engine(small_limits(), std::make_unique<CountingRunner>(most), clock,
                  {.run_ahead = run_ahead});
    answers.push_back(answer_of(engine, 9));
    EXPECT_EQ(most, run_ahead ? 2 : 1);
  }
  EXPECT_EQ(answers[0].size(), 9u);
  EXPECT_EQ(answers[0], answers[1]);
}

// The first of 13 tokens comes with the prompt's step, twelve from steps that decode.
TEST(EngineOptionsTest, ReportsAfterEverySoManyStepsThatDecode) {
  const SteadyClock clock;
  std::vector<EngineStats> reports;
  Engine engine(small_limits(), std::make_unique<NullModelRunner>(1000), clock,
                {.run_ahead = false, .report_interval = 4, .report = [&](const EngineStats& stats) {
                   reports.push_back(stats);
                 }});
  answer_of(engine, 13);
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[0].generation_tokens_total, 5);
  EXPECT_EQ(reports[1].generation_tokens_total, 9);
  EXPECT_EQ(reports[1].num_running_requests, 1);
}

TEST(WatchdogTest, AStuckTurnIsTheSameAtManyLooks) {
  StuckTurn stuck;
  for (int look = 0; look < StuckTurn::kLooks; ++look) EXPECT_FALSE(stuck.look(7));
  EXPECT_TRUE(stuck.look(7));
  EXPECT_FALSE(stuck.look(7)) << "once";
  for (uint64_t turn = 8; turn < 100; ++turn) EXPECT_FALSE(stuck.look(turn));
  for (int look = 0; look < 100; ++look) EXPECT_FALSE(stuck.look(0)) << "idle";
}

TEST(WatchdogTest, BarksAtAStepThatDoesNotEnd) {
  const SteadyClock clock;
  std::promise<void> let_go, barked;
  std::once_flag once;
  Engine engine(small_limits(), std::make_unique<HangingRunner>(let_go.get_future().share()),
                clock);
  const Watchdog watchdog(engine, 0.01, [&] { std::call_once(once, [&] { barked.set_value(); }); });
  std::thread stuck([&] { answer_of(engine, 1); });
  barked.get_future().wait();
  let_go.set_value();
  stuck.join();
}

}  // namespace
}  // namespace glint
