#include "bench/op_bench.h"

#include <gtest/gtest.h>

#include <set>

#include "backend/cpu/cpu_backend.h"
#include "tests/support/late_backend.h"
#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

// Each reading is three milliseconds after the one before: what is timed takes so long, whatever it
// is.
class CountingClock final : public Clock {
 public:
  double now_s() const override { return 0.003 * ++readings_; }

 private:
  mutable int readings_ = 0;
};

OpBenchReport measure(Backend& backend, OpBenchOptions options) {
  options.context = 70;
  options.batch_s = 0.004;
  options.num_batches = 3;
  return bench_ops(backend, tiny_config(), options, CountingClock());
}
OpBenchReport measure(const OpBenchOptions& options) {
  return measure(*make_cpu_backend(1), options);
}

TEST(OpBench, TimesEveryOpAtEverySize) {
  const OpBenchReport report = measure({.decode_rows = {1, 5}, .prefill_rows = {3}});
  std::set<std::string> timed;
  for (const OpResult& result : report.results) {
    timed.insert(result.op->name());
    EXPECT_GT(result.microseconds, 0) << result.op->name();
  }
  size_t expanded = 0;  // the CPU attends prompts as it decodes
  for (const BenchOp& op : all_bench_ops()) expanded += op.place == OpPlace::kExpanded ? 1 : 0;
  EXPECT_EQ(timed.size(), all_bench_ops().size() - expanded);
  EXPECT_TRUE(report.is_whole_step);
  EXPECT_TRUE(report.left_out.empty());
}

TEST(OpBench, TimesTheNamedOpsAlone) {
  const OpBenchReport report = measure({.decode_rows = {1}, .ops = {"linear.o_proj", "sample"}});
  std::set<std::string> timed;
  for (const OpResult& result : report.results) timed.insert(result.op->name());
  EXPECT_EQ(timed, (std::set<std::string>{"linear.o_proj", "sample.greedy", "sample.top_p"}));
  EXPECT_FALSE(report.is_whole_step);
}

// One call was seen to take 3 ms, so two of them fill 4 ms.
TEST(OpBench, DividesABatchByItsCalls) {
  const OpBenchReport report = measure({.decode_rows = {1}, .ops = {"rms_norm.hidden"}});
  ASSERT_EQ(report.results.size(), 1u);
  EXPECT_NEAR(report.results[0].microseconds, 3000 / 2, 1e-6);
}

// On a backend whose memory the host cannot read, and which does all as late as it may.
TEST(OpBench, TimesRecordingsWhereTheBackendRecords) {
  LateBackend backend;
  const OpBenchReport report = measure(backend, {.decode_rows = {1, 5}, .prefill_rows = {3}});
  EXPECT_TRUE(report.records);
  EXPECT_TRUE(report.is_whole_step);
  // Two runs of a recording of two calls.
  for (const OpResult& result : report.results)
    EXPECT_NEAR(result.microseconds, 3000 / 4.0, 1e-6) << result.op->name();
}

// Those too that this backend's steps do without.
TEST(OpBench, EveryOpCanBeCalledWithEveryCopy) {
  const auto backend = make_cpu_backend(1);
  const ModelConfig config = tiny_config();
  const BenchStep step(*backend, config, {StepForm::kPrefill, 67, 67});
  BenchMemory memory(*backend);
  for (const BenchOp& op : all_bench_ops()) {
    OpCases cases(*backend, config, step, memory);
    const OpCase op_case = op.make(cases);
    ASSERT_FALSE(cases.out_of_memory()) << op.name();
    for (const int copy : {0, op_case.num_copies - 1}) op_case.call(copy);
  }
}

TEST(OpBench, CountsTheExpertsThatItsRowsChose) {
  const OpBenchReport report = measure({.decode_rows = {1, 64}, .ops = {"moe_gate_up"}});
  const ModelConfig config = tiny_config();
  EXPECT_EQ(report.results[0].size.experts_hit, config.experts_per_row());
  EXPECT_EQ(report.results[1].size.experts_hit, config.num_experts());
}

}  // namespace
}  // namespace glint
