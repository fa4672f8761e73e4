// glint bench serving: a load over HTTP, by the protocol of SGLang's bench_serving.

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
#include "bench/serving/matrix.h"
#include "bench/serving/serving_plot.h"
#include "bench/serving/serving_report.h"

namespace glint {
namespace {

struct Options {
  ServingFlags flags;
  std::string output_file, plot_file, matrix;
  std::vector<std::string> cells, compared_files;
  uint32_t seed_add = 0;
  int vocab_size = 0;
  bool output_details = false, plot_throughput = false, print_requests = false, disable_bar = false;
  bool num_prompts_typed = false;
};

void add_result_flags(CLI::App& app, Options& o) {
  app.add_option("--tag", o.flags.serving.tag, "kept in the result");
  app.add_option("--output-file", o.output_file,
                 "JSON Lines that the result is appended to; default: a name made of backend, day "
                 "and lengths");
  app.add_flag("--output-details", o.output_details, "with a value for each request");
  app.add_option("--plot", o.plot_file,
                 "an HTML file: throughput against latency, distributions, tokens over time");
  app.add_flag("--plot-throughput", o.plot_throughput, "a bar for each second's tokens");
  app.add_flag("--cache-report", o.flags.serving.cache_report,
               "prompt tokens that the prefix cache held, in table and result");
  app.add_flag("--print-requests", o.print_requests, "each answer's text, at the end");
  app.add_flag("--disable-tqdm", o.disable_bar, "no progress");
}

void add_matrix_flags(CLI::App& app, Options& o) {
  auto* matrix =
      app.add_option("--matrix", o.matrix,
                     "page: the nine loads of SGLang's page for GLM-4.7-Flash, beside its figures "
                     "(B200); peers: loads in which other engines were measured")
          ->check(CLI::IsMember({"page", "peers"}));
  app.add_option("--cells", o.cells, "these of the matrix alone, as chat_c1,chat_c16")
      ->delimiter(',')
      ->needs(matrix);
  app.add_option("--seed-add", o.seed_add, "peers: other prompts and lengths")->needs(matrix);
  app.add_option("--vocab-size", o.vocab_size,
                 "ids of prompts are below this; default: what the server has, peers: 150000")
      ->check(above_zero());
  app.add_option("--compare", o.compared_files,
                 "two files of results: print figures and ratios, send nothing. In place of one, "
                 "page: the figures of SGLang's page, for the cells of it that the other has")
      ->expected(2)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw)  // else one file would do
      ->excludes(matrix);
}

void add_flags(CLI::App& app, Options& o) {
  app.option_defaults()->take_last();  // as in Python's argparse
  add_server_flags(app, o.flags);
  add_dataset_flags(app, o.flags);
  add_request_flags(app, o.flags);
  app.add_option("--max-concurrency", o.flags.serving.max_concurrency,
                 "requests in flight at most; default: no limit")
      ->check(above_zero());
  add_result_flags(app, o);
  add_matrix_flags(app, o);
}

Result<void> append_result(const std::string& path, const ServingReport& report, bool details) {
  std::ofstream file(path, std::ios::app);
  file << to_python_json(serving_result(report, details)) << '\n';
  file.close();
  if (!file) return cannot_write(path, "--output-file");
  std::fprintf(stderr, "appended to %s\n", path.c_str());
  return {};
}

// What happens with each run's report. Its records are dropped then.
class Results {
 public:
  explicit Results(const Options& options) : o_(options) {}

  Result<void> take(const ServingReport& report) {
    std::fputs((serving_table(report) + serving_footer(report)).c_str(), stdout);
    if (o_.plot_throughput) std::fputs(throughput_bars(report.metrics).c_str(), stdout);
    if (o_.print_requests) {
      for (const RequestRecord& record : report.records)
        std::printf("%s\n", to_python_json(Json{{"text", record.text}}).c_str());
    }
    std::fflush(stdout);
    runs_.push_back(plot_run(report));
    failed_.add(report.records);
    return append_result(o_.output_file, report, o_.output_details);
  }

  // Nothing more is coming: plots what there is. Requests that failed are an Error.
  Result<void> finish(const std::string& title) const {
    TRY(plot(title));
    if (failed_.count == 0) return {};
    return Error{ErrorCode::kInternal, failed_.sentence(), {}};
  }

  std::vector<ResultSummary> summaries() const {
    std::vector<ResultSummary> all;
    for (const PlotRun& run : runs_) all.push_back(run.summary);
    return all;
  }

 private:
  Result<void> plot(const std::string& title) const {
    if (o_.plot_file.empty() || runs_.empty()) return {};
    std::ofstream file(o_.plot_file);
    file << plot_html(runs_, title);
    file.close();
    if (!file) return cannot_write(o_.plot_file, "--plot");
    std::fprintf(stderr, "plots are in %s\n", o_.plot_file.c_str());
    return {};
  }

  const Options& o_;
  std::vector<PlotRun> runs_;
  FailedRequests failed_;
};

ProgressHook progress_hook(const Options& o) {
  if (o.disable_bar) return nullptr;
  return
      [bar = std::make_shared<LoadBar>()](const LoadProgress& progress) { bar->update(progress); };
}

Result<BenchServer> find_server(const ServingOptions& serving, const Options& o) {
  BenchServer server = TRY(wait_for_server(serving));
  if (o.vocab_size > 0) server.vocab_size = o.vocab_size;
  return server;
}

Result<void> run_one(const Options& o, const ServingOptions& serving) {
  const BenchServer server = TRY(find_server(serving, o));
  Results results(o);
  const ServingReport report = TRY(bench_serving(server, serving, progress_hook(o)));
  const Result<void> taken = results.take(report);
  const Result<void> finished = results.finish(cat("glint bench serving: ", server.base_url));
  return taken ? finished : taken;
}

Result<std::vector<MatrixCell>> chosen_cells(const Options& o) {
  const auto all = o.matrix == "page" ? page_cells() : peer_cells();
  if (o.cells.empty()) return std::vector<MatrixCell>(all.begin(), all.end());
  std::vector<MatrixCell> chosen;
  std::string names;
  for (const MatrixCell& cell : all) names += cat(names.empty() ? "" : ", ", cell.name);
  for (const std::string& name : o.cells) {
    const auto found = std::ranges::find_if(all, [&](auto& cell) { return name == cell.name; });
    if (found == all.end())
      return Error{ErrorCode::kInvalidRequest,
                   cat("--cells: there is no cell ", name, " in --matrix ", o.matrix, ". It has ",
                       names, "."),
                   {}};
    chosen.push_back(*found);
  }
  return chosen;
}

Result<ServingReport> run_peer_cell(const BenchServer& server, ServingOptions serving,
                                    const MatrixCell& cell, const Options& o) {
  serving.warmup_requests = 0;  // the matrix has its own
  serving.settle_s = 0;
  BenchDataset dataset = peer_dataset(cell, o.seed_add, server.vocab_size);
  NumpyRandom arrivals(cell.seed);
  return bench_serving(server, serving, std::move(dataset), arrivals, progress_hook(o));
}

Result<void> warm_up_for_peers(const BenchServer& server, ServingOptions serving,
                               const Options& o) {
  serving.warmup_requests = 0;
  serving.settle_s = 0;
  serving.max_concurrency = 0;
  NumpyRandom arrivals(0);
  for (BenchDataset& warmup : peer_warmups(o.seed_add, server.vocab_size))
    TRY(bench_serving(server, serving, std::move(warmup), arrivals, nullptr));
  return {};
}

// Ends with Ctrl-C, whose cell counts if it was complete, or with a cell whose requests all failed:
// the others would do no better.
Result<void> run_cells(const BenchServer& server, const std::vector<MatrixCell>& cells,
                       const ServingOptions& serving, const Options& o, Results& results) {
  for (MatrixCell cell : cells) {
    if (o.num_prompts_typed) cell.num_prompts = serving.dataset.num_prompts;
    const ServingOptions one = with_cell(serving, cell);
    std::fprintf(stderr, "%s: %d requests, %d at once\n", cell.name, cell.num_prompts,
                 cell.max_concurrency);
    const ServingReport report =
        TRY(o.matrix == "page" ? bench_serving(server, one, progress_hook(o))
                               : run_peer_cell(server, one, cell, o));
    const bool is_complete = std::ranges::all_of(report.records, &RequestRecord::ok);
    if (is_complete || !*one.stop) TRY(results.take(report));
    if (*one.stop)
      return Error{ErrorCode::kCancelled,
                   cat("interrupted", is_complete ? " after " : " in ", cell.name, "."),
                   {}};
    if (report.metrics.completed == 0) break;
  }
  return {};
}

Result<void> run_matrix(const Options& o, const ServingOptions& serving) {
  const std::vector<MatrixCell> cells = TRY(chosen_cells(o));
  BenchServer server = TRY(find_server(serving, o));
  const bool is_page = o.matrix == "page";
  if (!is_page && o.vocab_size == 0) server.vocab_size = 150'000;  // as the others were asked
  if (!is_page && serving.warmup_requests > 0) TRY(warm_up_for_peers(server, serving, o));
  Results results(o);
  const Result<void> ran = run_cells(server, cells, serving, o, results);
  const std::vector<ResultSummary> here = results.summaries();
  if (here.empty()) return ran;
  std::printf("\n%s", is_page ? comparison_table({"here", here}, page_figures()).c_str()
                              : figures_table(here).c_str());
  const Result<void> finished =
      results.finish(cat("glint bench serving --matrix ", o.matrix, ": ", server.base_url));
  return ran ? finished : ran;
}

Result<ResultSide> read_side(const std::string& path) {
  ResultSide side{path, {}};
  for (const Json& result : TRY(read_results(path))) side.results.push_back(summarize(result));
  return side;
}

Result<void> compare_to_page(const std::string& path) {
  const ResultSide cells = page_results(TRY(read_side(path)));
  if (cells.results.empty())
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, " has no result of a cell of the page, as --matrix page writes them."),
                 {}};
  std::fputs(comparison_table(cells, page_figures()).c_str(), stdout);
  return {};
}

Result<void> compare(const Options& o) {
  const std::string &a = o.compared_files[0], &b = o.compared_files[1];
  if (a == "page" || b == "page") return compare_to_page(a == "page" ? b : a);
  const ResultSide first = TRY(read_side(a));
  const ResultSide second = TRY(read_side(b));
  std::fputs(comparison_table(first, second).c_str(), stdout);
  return {};
}

Result<void> run(Options& o) {
  if (!o.compared_files.empty()) return compare(o);
  const ServingOptions serving = TRY(complete(o.flags));
  if (o.output_file.empty()) o.output_file = default_result_file(serving, o.matrix);
  TRY(check_writable(o.output_file, "--output-file"));
  TRY(check_writable(o.plot_file, "--plot"));
  return o.matrix.empty() ? run_one(o, serving) : run_matrix(o, serving);
}

}  // namespace

int run_bench_serving(int argc, char** argv) {
  Options options;
  CLI::App app("Sends a load to a server and measures its answers, as SGLang's bench_serving does.",
               "glint bench serving");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  options.num_prompts_typed = app.count("--num-prompts") > 0;
  raise_connection_limit();
  return exit_status(run(options));
}

}  // namespace glint
