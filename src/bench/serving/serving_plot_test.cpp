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

// A search goes back to lower loads, and beyond saturation more load may give fewer tokens.
TEST(ServingPlotTest, ASweepIsInOrderOfLoad) {
  std::vector<PlotRun> runs(3);
  const auto set = [](PlotRun& run, const char* name, double load, double throughput, double ms) {
    run.summary.name = name;
    run.load = load;
    run.summary.output_throughput = throughput;
    run.summary.tpot.median = run.summary.ttft.median = ms;
  };
  set(runs[0], "c1", 1, 50, 5);
  set(runs[1], "c8", 8, 80, 20);
  set(runs[2], "c4", 4, 100, 10);
  const std::string html = plot_html(runs, "sweep", /*is_sweep=*/true);
  EXPECT_LT(html.find("c1</span>"), html.find("c4</span>"));
  EXPECT_LT(html.find("c4</span>"), html.find("c8</span>"));
  EXPECT_LT(html.find("<td>c4</td>"), html.find("<td>c8</td>"));
  EXPECT_THAT(html, HasSubstr(" 514.1,169.1 426.5,46.3 \"><title>all runs"));
}

TEST(ServingPlotTest, TheTimeAfterTheLastTokenIsNotDrawn) {
  PlotRun run;
  run.tokens_per_second = {10, 20, 0};
  EXPECT_THAT(plot_html(std::vector{run}, "t"),
              HasSubstr("points=\"76.0,169.1 514.1,46.3 \"><title></title></polyline>"));
}

TEST(ServingPlotTest, ASecondAloneIsADot) {
  PlotRun run;
  run.summary.name = "short";
  run.tokens_per_second = {10, 0};
  EXPECT_THAT(plot_html(std::vector{run}, "t"), HasSubstr("<title>short: 0, 10</title></circle>"));
}

TEST(ServingPlotTest, WithoutAnswersItIsStillAPage) {
  const std::string html = plot_html(std::vector<PlotRun>(1), "none");
  EXPECT_THAT(html, HasSubstr("</html>"));
  EXPECT_THAT(html, HasSubstr(">nothing was measured</text>"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

// The plot is 460 wide from 76 on and 258 high above 292, to 1.05 times the largest value.
TEST(ChartTest, PointsStandWhereTheirValuesAre) {
  const std::string svg = chart_svg({.title = "t",
                                     .x_label = "x",
                                     .y_label = "y",
                                     .lines = {{"l", 2, {{0, 0}, {10, 20}}, true}}});
  EXPECT_THAT(svg, HasSubstr("<polyline class=\"s2\" points=\"76.0,292.0 514.1,46.3 \">"));
  EXPECT_THAT(svg, HasSubstr("<title>l: 10, 20</title>"));
}

TEST(ChartTest, ALogarithmicAxisLeavesOutZero) {
  const std::string svg = chart_svg({.title = "t",
                                     .x_label = "x",
                                     .y_label = "y",
                                     .log_x = true,
                                     .lines = {{"l", 0, {{0, 0}, {1, 50}, {100, 100}}}}});
  EXPECT_THAT(svg, HasSubstr(">100</text>"));
  EXPECT_THAT(svg, HasSubstr("points=\"76.0,169.1 "));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace glint
