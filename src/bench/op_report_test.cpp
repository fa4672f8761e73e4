#include "bench/op_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace glint {
namespace {

using testing::HasSubstr;
using testing::Not;

const BenchOp& op(std::string_view name) {
  for (const BenchOp& known : all_bench_ops())
    if (known.name() == name) return known;
  CHECK(false, "no op ", name);
}

// 310 MB and 660 MFLOP are 100 us and 1 us of an H100.
OpBenchReport report(std::string gpu) {
  const StepSize one{StepForm::kDecode, 1, 1024}, many{StepForm::kPrefill, 8192, 8192};
  OpBenchReport report;
  report.device = "some device";
  report.gpu_name = std::move(gpu);
  report.context = 1024;
  report.is_whole_step = true;
  report.results = {
      {&op("linear.o_proj"), one, {310e6, 660e6}, 47, 200},
      {&op("embed"), one, {310e4, 0}, 1, 2},
      {&op("linear.o_proj"), many, {310e6, 660e9}, 47, 4000},
  };
  return report;
}

TEST(OpReport, IsATableWithSharesOfTheLimit) {
  EXPECT_THAT(op_report_text(report("NVIDIA H100 80GB HBM3")),
              HasSubstr(R"(some device; decode rows attend to 1024 rows

| op            | step    | rows |   us |   MB | GB/s | TFLOP/s | % of limit |
|---------------|---------|-----:|-----:|-----:|-----:|--------:|-----------:|
| linear.o_proj | decode  |    1 |  200 |  310 | 1550 |    3.30 |         50 |
| embed         | decode  |    1 | 2.00 | 3.10 | 1550 |       - |         50 |
| linear.o_proj | prefill | 8192 | 4000 |  310 |   78 |     165 |         25 |

| all ops | step    | rows |   ms |   GB | TFLOP | limit, ms | % of limit |
|---------|---------|-----:|-----:|-----:|------:|----------:|-----------:|
| sum     | decode  |    1 | 9.40 | 14.6 | 0.031 |      4.70 |         50 |
| sum     | prefill | 8192 |  188 | 14.6 |  31.0 |      47.0 |         25 |
)"));
}

TEST(OpReport, HasNoLimitWhereNoneWasMeasured) {
  EXPECT_THAT(op_report_text(report("")), Not(HasSubstr("imit")));
  EXPECT_FALSE(parse_json(op_report_json(report("")))->contains("limit"));
}

TEST(OpReport, SumsUpWholeStepsAlone) {
  OpBenchReport some = report("");
  some.is_whole_step = false;
  some.left_out = {"embed with 9 rows: not enough memory."};
  EXPECT_THAT(op_report_text(some), Not(HasSubstr("all ops")));
  EXPECT_THAT(op_report_text(some), HasSubstr("left out: embed with 9 rows: not enough memory.\n"));
  EXPECT_TRUE((*parse_json(op_report_json(some)))["steps"].empty());
}

TEST(OpReport, IsJsonWithTheSameNumbers) {
  const Json json = *parse_json(op_report_json(report("NVIDIA H100 80GB HBM3")));
  const Json& first = json["ops"][0];
  EXPECT_EQ(first["op"], "linear");
  EXPECT_EQ(first["use"], "o_proj");
  EXPECT_EQ(first["us"], 200.0);
  EXPECT_EQ(first["gb_per_s"], 1550.0);
  EXPECT_DOUBLE_EQ(first["limit_us"], 100);
  EXPECT_DOUBLE_EQ(json["steps"][0]["ms"], 9.402);
  EXPECT_EQ(json["limit"]["bytes_per_s"], 3.1e12);
}

}  // namespace
}  // namespace glint
