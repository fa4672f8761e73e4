// glint bench sweep: how much load a server takes within a latency goal.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/load_bar.h"
#include "apps/serving_flags.h"
#include "bench/serving/serving_plot.h"
#include "bench/serving/serving_report.h"
#include "bench/serving/sweep.h"

namespace glint {
namespace {

constexpr int kLeastRequests = 16;  // of one point

struct Options {
  ServingFlags flags;
  std::vector<std::string> goal;
  double share = 0.99;
  int least = 1, most = 256;
  int requests_per_place = 4;
  std::string output_file, plot_file;
  bool num_prompts_typed = false;
};

void add_flags(CLI::App& app, Options& o) {
  app.option_defaults()->take_last();  // as in Python's argparse
  app.add_option("--goodput", o.goal,
                 "what a request may take, in milliseconds: ttft:200 tpot:30 e2e:5000")
      ->required();
  app.add_option("--goodput-share", o.share, "of the requests that must meet it")
      ->capture_default_str()
      ->check(between(0, 1));
  app.add_option("--min-concurrency", o.least, "requests in flight to begin with")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--max-concurrency", o.most, "requests in flight at most")
      ->capture_default_str()
      ->check(above_zero());
  app.add_option("--requests-per-place", o.requests_per_place,
                 "of each point, for each request in flight; at least 16 in all")
      ->capture_default_str()
      ->check(above_zero());
  add_server_flags(app, o.flags);
  add_dataset_flags(app, o.flags);
  app.get_option("--num-prompts")
      ->default_str("")
      ->description("requests of each point, in place of --requests-per-place");
  add_request_flags(app, o.flags);
  app.add_option("--output-file", o.output_file, "JSON Lines: a result for each point");
  app.add_option("--plot", o.plot_file, "an HTML file, as of bench serving");
}

// A point's prompts are its own: the prefix cache has not seen them.
ServingOptions at_point(ServingOptions serving, int num_in_flight, const Options& o) {
  serving.max_concurrency = num_in_flight;
  serving.dataset.seed += static_cast<uint32_t>(num_in_flight);
  if (!o.num_prompts_typed)
    serving.dataset.num_prompts = std::max(kLeastRequests, o.requests_per_place * num_in_flight);
  serving.tag = cat("c", num_in_flight);
  return serving;
}

class Sweep {
 public:
  Sweep(const Options& options, const LatencyGoal& goal) : o_(options), goal_(goal) {}

  // What was measured before an Error is reported all the same.
  Result<void> run(const BenchServer& server, const ServingOptions& serving) {
    const Result<void> searched = search(server, serving);
    if (points_.empty()) return searched;
    std::fputs(sweep_report(points_, goal_, o_.share).c_str(), stdout);
    const Result<void> plotted =
        write(o_.plot_file, "--plot",
              plot_html(runs_, cat("glint bench sweep: ", server.base_url), /*is_sweep=*/true));
    if (!searched) return searched;
    if (!plotted) return plotted;
    return check_met(points_, goal_, o_.share);
  }

 private:
  Result<void> search(const BenchServer& server, const ServingOptions& serving) {
    SweepSearch loads(o_.least, o_.most);
    while (const auto next = loads.next()) {
      TRY(measure(server, at_point(serving, *next, o_)));
      loads.add(*next, points_.back().met);
    }
    return {};
  }

  Result<void> measure(const BenchServer& server, const ServingOptions& serving) {
    std::fprintf(stderr, "%d in flight, %d requests\n", serving.max_concurrency,
                 serving.dataset.num_prompts);
    const auto bar = std::make_shared<LoadBar>();
    const ServingReport report =
        TRY(bench_serving(server, serving, [bar](const LoadProgress& p) { bar->update(p); }));
    if (*serving.stop) return Error{ErrorCode::kCancelled, "interrupted", {}};
    FailedRequests failed;
    failed.add(report.records);
    if (points_.empty() && report.metrics.completed == 0)
      return Error{ErrorCode::kInternal, failed.sentence(), {}};
    if (failed.count > 0) std::fprintf(stderr, "%s\n", failed.sentence().c_str());
    const double share = share_that_meets(report.records, goal_);
    runs_.push_back(plot_run(report));
    points_.push_back({.num_in_flight = serving.max_concurrency,
                       .summary = runs_.back().summary,
                       .share_met = share,
                       .met = share >= o_.share});
    return write(o_.output_file, "--output-file",
                 to_python_json(serving_result(report, false)) + "\n");
  }

  Result<void> write(const std::string& path, const char* flag, const std::string& text) {
    if (path.empty()) return {};
    std::ofstream file(path, path == o_.output_file ? std::ios::app : std::ios::trunc);
    file << text;
    file.close();
    if (!file) return cannot_write(path, flag);
    return {};
  }

  const Options& o_;
  const LatencyGoal goal_;
  std::vector<SweepPoint> points_;
  std::vector<PlotRun> runs_;
};

Result<void> run(const Options& o) {
  const LatencyGoal goal = TRY(parse_goal(o.goal));
  if (o.least > o.most)
    return Error{ErrorCode::kInvalidRequest,
                 cat("--min-concurrency ", o.least, " is above --max-concurrency ", o.most, "."),
                 {}};
  const ServingOptions serving = TRY(complete(o.flags));
  TRY(check_writable(o.output_file, "--output-file"));
  TRY(check_writable(o.plot_file, "--plot"));
  const BenchServer server = TRY(wait_for_server(serving));
  return Sweep(o, goal).run(server, serving);
}

}  // namespace

int run_bench_sweep(int argc, char** argv) {
  Options options;
  CLI::App app("Finds the highest load that a server takes within a latency goal.",
               "glint bench sweep");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  options.num_prompts_typed = app.count("--num-prompts") > 0;
  raise_connection_limit();
  return exit_status(run(options));
}

}  // namespace glint
