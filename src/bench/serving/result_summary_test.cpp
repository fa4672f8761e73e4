#include "bench/serving/result_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/test_folder.h"

namespace glint {
namespace {

using testing::HasSubstr;
using testing::Not;

ResultSummary named(const std::string& name, double tokens_per_s, double ttft_ms) {
  ResultSummary summary{.name = name};
  summary.output_throughput = tokens_per_s;
  summary.ttft = {.mean = ttft_ms, .median = ttft_ms, .p99 = 2 * ttft_ms};
  return summary;
}

TEST(ResultSummaryTest, ReadsWhatPythonWrites) {
  const TestFolder folder;
  const std::string path = folder.path() / "a.jsonl";
  std::ofstream(path) << R"({"tag": null, "dataset_name": "random", "request_rate": Infinity, )"
                      << R"("max_concurrency": 16, "random_input_len": 1000, )"
                      << R"("random_output_len": 8000, "server_info": {"s": "a \\\" Infinity"}, )"
                      << R"("completed": 80, "mean_ttft_ms": 117.5, "std_itl_ms": NaN})"
                      << "\n\n"
                      << R"({"tag": "x"})"
                      << "\n";
  const auto results = read_results(path);
  ASSERT_TRUE(results) << results.error().message;
  ASSERT_EQ(results->size(), 2u);
  EXPECT_EQ((*results)[0]["server_info"]["s"], "a \\\" Infinity");
  const ResultSummary summary = summarize((*results)[0]);
  EXPECT_EQ(summary.name, "random 1000/8000 c16");
  EXPECT_EQ(summary.completed, 80);
  EXPECT_EQ(summary.ttft.mean, 117.5);
  EXPECT_EQ(summary.itl.std, 0);
  EXPECT_EQ(summarize((*results)[1]).name, "x");
}

TEST(ResultSummaryTest, AFileThatIsNoneIsNamed) {
  const TestFolder folder;
  const std::string path = folder.path() / "b.jsonl";
  std::ofstream(path) << "{}\n[1]\n";
  EXPECT_THAT(read_results(path).error().message, HasSubstr("b.jsonl line 2"));
  std::ofstream(path) << "\n";
  EXPECT_THAT(read_results(path).error().message, HasSubstr("no result"));
  EXPECT_THAT(read_results("/none").error().message, HasSubstr("/none"));
}

// Twice the tokens a second and half the time are both 2.00.
TEST(ResultSummaryTest, AboveOneTheFirstIsAhead) {
  const std::string table = comparison_table({"ours", {named("a", 200, 50), named("only", 1, 1)}},
                                             {"theirs", {named("a", 7, 7), named("a", 100, 100)}});
  EXPECT_THAT(table, HasSubstr("| a | ours | 0 | 0.00 | 0.00 | 200.00 |"));
  EXPECT_THAT(table, HasSubstr("|  | theirs | 0 | 0.00 | 0.00 | 100.00 |"));
  EXPECT_THAT(table, HasSubstr("| | ratio | | | - | 2.00 | - | | 2.00 / 2.00 / 2.00 |"));
  EXPECT_THAT(table, Not(HasSubstr("7.00")));
  EXPECT_THAT(table, HasSubstr("| only | ours |"));
}

TEST(ResultSummaryTest, FiguresAreALineEach) {
  const ResultSummary summary = named("chat16", 661.1, 238);
  EXPECT_THAT(figures_table(std::vector{summary}),
              HasSubstr("| chat16 | 0 | 0 / 0 | 0.00 | 0.00 | 661.1 | 0.0 | "
                        "238.00 / 238.00 / 476.00 |"));
}

}  // namespace
}  // namespace glint
