#include "bench/serving/serving_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/serving/chart.h"

namespace glint {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ServingPlotTest, IsOneFileWithoutScriptsOrRequests) {
  PlotRun run;
  run.summary.name = "<script>alert('a')</script>";
  run.summary.output_throughput = 100;
  run.ttft_quantiles_ms = {1, 5, 9};
  run.itl_quantiles_ms = {0, 0.5};
  run.tokens_per_second = {3, 9, 4};
  const std::string html = plot_html(std::vector{run, run}, "glint & <others>");
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("http")));
  EXPECT_THAT(html, Not(HasSubstr("url(")));
  EXPECT_THAT(html, HasSubstr("glint &amp; &lt;others&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("inf")));
}

TEST(ServingPlotTest, WithoutAnswersItIsStillAPage) {
  const std::string html = plot_html(std::vector<PlotRun>(1), "none");
  EXPECT_THAT(html, HasSubstr("</html>"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

// The plot is 480 wide from 64 on and 258 high above 292, to 1.05 times the largest value.
TEST(ChartTest, PointsStandWhereTheirValuesAre) {
  const std::string svg = chart_svg({.title = "t",
                                     .x_label = "x",
                                     .y_label = "y",
                                     .lines = {{"l", 2, {{0, 0}, {10, 20}}, true}}});
  EXPECT_THAT(svg, HasSubstr("<polyline class=\"s2\" points=\"64.0,292.0 521.1,46.3 \">"));
  EXPECT_THAT(svg, HasSubstr("<title>l: 10, 20</title>"));
}

TEST(ChartTest, ALogarithmicAxisLeavesOutZero) {
  const std::string svg = chart_svg({.title = "t",
                                     .x_label = "x",
                                     .y_label = "y",
                                     .log_x = true,
                                     .lines = {{"l", 0, {{0, 0}, {1, 50}, {100, 100}}}}});
  EXPECT_THAT(svg, HasSubstr(">100</text>"));
  EXPECT_THAT(svg, HasSubstr("points=\"64.0,169.1 "));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace glint
