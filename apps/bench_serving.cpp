// glint bench serving: a load over HTTP, by the protocol of SGLang's bench_serving.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/load_bar.h"
#include "apps/serving_flags.h"
#include "bench/serving/serving_report.h"

namespace glint {
namespace {

struct Options {
  ServingFlags flags;
  std::string output_file;
  bool output_details = false, print_requests = false, disable_bar = false;
};

void add_flags(CLI::App& app, Options& o) {
  add_server_flags(app, o.flags);
  add_dataset_flags(app, o.flags);
  add_request_flags(app, o.flags);
  app.add_option("--max-concurrency", o.flags.serving.max_concurrency,
                 "requests in flight at most; default: no limit")
      ->check(above_zero());
  app.add_option("--tag", o.flags.serving.tag, "kept in the result");
  app.add_option("--output-file", o.output_file,
                 "JSON Lines that the result is appended to; default: a name made of backend, day "
                 "and lengths");
  app.add_flag("--output-details", o.output_details, "with a value for each request");
  app.add_flag("--print-requests", o.print_requests, "each request's text and answer, at the end");
  app.add_flag("--disable-tqdm", o.disable_bar, "no progress");
}

Result<void> append_result(const std::string& path, const ServingReport& report, bool details) {
  std::ofstream file(path, std::ios::app);
  file << to_python_json(serving_result(report, details)) << '\n';
  file.close();
  if (file) return {};
  return Error{ErrorCode::kStartup, cat("Cannot write ", path, ", named by --output-file.")};
}

Result<ServingReport> measure(const BenchServer& server, const ServingOptions& serving,
                              const Options& o) {
  LoadBar bar;
  const auto show = [&](const LoadProgress& progress) { bar.update(progress); };
  return bench_serving(server, serving, o.disable_bar ? ProgressHook() : show);
}

Result<void> run_one(const Options& o) {
  const ServingOptions serving = TRY(complete(o.flags));
  const BenchServer server = TRY(find_bench_server(serving));
  const ServingReport report = TRY(measure(server, serving, o));
  std::fputs((serving_table(report) + serving_footer(report)).c_str(), stdout);
  if (o.print_requests) {
    for (const RequestRecord& record : report.records)
      std::printf("%s\n", to_python_json(Json{{"text", record.text}}).c_str());
  }
  const std::string path = o.output_file.empty() ? default_result_file(serving) : o.output_file;
  TRY(append_result(path, report, o.output_details));
  std::fprintf(stderr, "appended to %s\n", path.c_str());
  if (report.metrics.completed > 0) return {};
  return Error{ErrorCode::kInternal, "All requests failed."};
}

}  // namespace

int run_bench_serving(int argc, char** argv) {
  Options options;
  CLI::App app("Sends a load to a server and measures its answers, as SGLang's bench_serving does.",
               "glint bench serving");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  raise_connection_limit();
  const Result<void> done = run_one(options);
  if (done) return 0;
  std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return done.error().code == ErrorCode::kInvalidRequest ? 2 : 1;
}

}  // namespace glint
