// glint bench: how fast the parts are.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <set>
#include <string>

#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/device.h"
#include "base/clock.h"
#include "bench/op_bench.h"
#include "bench/op_report.h"
#include "model/config.h"
#include "model/hub.h"

namespace glint {
namespace {

struct Options {
  OpBenchOptions bench;
  std::string device = "auto", model;
  int num_threads = 0;
  bool json = false;
};

std::set<std::string> op_names() {
  std::set<std::string> names;
  for (const BenchOp& op : all_bench_ops()) {
    names.insert(op.name());
    names.emplace(op.op);
  }
  return names;
}

void add_flags(CLI::App& app, Options& o) {
  app.add_option("--device", o.device, "auto, cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--threads", o.num_threads, "of the CPU backend; 0: all cores")
      ->capture_default_str()
      ->check(zero_or_more());
  app.add_option("--model", o.model,
                 "Hugging Face folder of which config.json is read, or an id in the local cache; "
                 "default: the sizes of GLM-4.7-Flash");
  app.add_option("--tokens", o.bench.decode_rows,
                 "sizes of decode steps, one row of each sequence; default: 1,4,16,64,100,256 on a "
                 "GPU, 1,4,16 on the CPU")
      ->delimiter(',')
      ->check(between(1, 65'536));
  app.add_option("--prefill", o.bench.prefill_rows,
                 "lengths of prompts; default: 1024,8192 on a GPU, none on the CPU. With only one "
                 "of --tokens and --prefill, the other is none")
      ->delimiter(',')
      ->check(between(1, 131'072));
  app.add_option("--context", o.bench.context, "rows that each decode row attends to")
      ->capture_default_str()
      ->check(between(1, 1 << 20));
  app.add_option("--op", o.bench.ops, "these ops alone, as mla_attend, linear or linear.q_b")
      ->check(CLI::IsMember(op_names()).description("NAME"));
  app.add_flag("--json", o.json, "print one JSON object");
}

void complete(OpBenchOptions& bench, bool is_gpu) {
  if (!bench.decode_rows.empty() || !bench.prefill_rows.empty()) return;
  bench.decode_rows = {1, 4, 16};
  if (!is_gpu) return;
  bench.decode_rows = {1, 4, 16, 64, 100, 256};
  bench.prefill_rows = {1024, 8192};
}

Result<ModelConfig> sizes_of(const std::string& model) {
  if (model.empty()) return glm_4_7_flash_config();
  return load_config(TRY(resolve_model(model)) / "config.json");
}

Result<OpBenchReport> measure(Options& options) {
  const ModelConfig config = TRY(sizes_of(options.model));
  const Device device = TRY(open_device(options.device, /*weights_bytes=*/0, options.num_threads));
  complete(options.bench, device.is_gpu());
  OpBenchReport report =
      bench_ops(*device.backend, config, options.bench, SteadyClock(),
                [](const std::string& op) { std::fprintf(stderr, "timing %s\n", op.c_str()); });
  report.gpu_name = device.gpu_name;
  return report;
}

int run_bench_ops(int argc, char** argv) {
  Options options;
  CLI::App app("Times every op of a model's forward pass, alone, on random numbers.",
               "glint bench ops");
  add_flags(app, options);
  if (const auto status = parse_command_line(app, argc, argv)) return *status;
  const Result<OpBenchReport> report = measure(options);
  if (!report) {
    std::fprintf(stderr, "error: %s\n", report.error().message.c_str());
    return 1;
  }
  const std::string text = options.json ? op_report_json(*report) + "\n" : op_report_text(*report);
  std::fputs(text.c_str(), stdout);
  return 0;
}

constexpr Subcommand kSubcommands[] = {
    {"ops", "every op of a model's forward pass: time, bytes, FLOPs, share of what the GPU can do",
     run_bench_ops},
    {"serving", "a load over HTTP, as SGLang's bench_serving: throughput and latency",
     run_bench_serving},
    {"sweep", "the highest load that a server takes within a latency goal", run_bench_sweep},
};

}  // namespace

int run_bench(int argc, char** argv) {
  return run_subcommand("glint bench", kSubcommands, argc, argv);
}

}  // namespace glint
