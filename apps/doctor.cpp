// glint doctor: GPU, driver, files and the memory plan in numbers, before anything is loaded.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/bundled_model.h"
#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/device.h"
#include "apps/gpu_probe.h"
#include "apps/load_model.h"
#include "base/json.h"
#include "model/checkpoint.h"
#include "model/gpu_table.h"
#include "model/hub.h"
#include "model/memory_plan.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

struct DoctorOptions {
  std::string model;
  std::string gpu;
  std::optional<int> context_length;
  bool json = false;
};

// What was found, as text for a person and as JSON for a program; both grow together.
struct Report {
  std::string text;
  Json json = {{"ok", true}, {"problems", Json::array()}};

  void say(const std::string& line) { text += line + "\n"; }
  void problem(const std::string& sentence) {
    json["ok"] = false;
    json["problems"].push_back(sentence);
    text += "problem: " + sentence + "\n";
  }
  bool ok() const { return json["problems"].empty(); }
};

void report_gpus(const GpuProbe& probe, Report& report) {
  Json gpus = Json::array();
  for (const FoundGpu& gpu : probe.gpus) {
    report.say(cat("GPU        ", gpu.name, ", ", gpu.memory_bytes >> 20, " MiB, sm_",
                   gpu.compute_capability));
    gpus.push_back({{"name", gpu.name},
                    {"memory_bytes", gpu.memory_bytes},
                    {"compute_capability", gpu.compute_capability}});
  }
  if (!probe.problem.empty()) report.say("GPU        none: " + probe.problem);
  if (probe.driver_version != 0) {
    report.say(cat("driver     CUDA ", probe.driver_version / 1000, ".",
                   probe.driver_version % 1000 / 10));
    report.say(cat("cuBLASLt   ", probe.has_cublas_lt ? "found" : "libcublasLt.so.13 not found"));
  }
  const std::string no_gpu = why_no_gpu();
  report.say("backends   CPU" + (no_gpu.empty() ? ", CUDA" : cat(". ", no_gpu, ".")));
  report.json["backends"] = no_gpu.empty() ? Json{"cpu", "cuda"} : Json{"cpu"};
  report.json["gpus"] = gpus;
  report.json["driver_version"] = probe.driver_version;
  report.json["cublas_lt"] = probe.has_cublas_lt;
}

void report_checkpoint(const fs::path& folder, const ModelConfig& config, Report& report) {
  const Result<Checkpoint> checkpoint = Checkpoint::open(folder);
  if (!checkpoint) return report.problem(checkpoint.error().message);
  const size_t num_tensors = checkpoint->tensors().size();
  report.say(cat("weights    ", num_tensors, " tensors in ", checkpoint->num_shards(), " files, ",
                 checkpoint->num_file_bytes(), " bytes"));
  report.json["tensors"] = num_tensors;
  report.json["shards"] = checkpoint->num_shards();
  report.json["file_bytes"] = checkpoint->num_file_bytes();
  const Result<void> checked = check_tensors(*checkpoint, config, /*with_mtp=*/false);
  if (!checked) return report.problem(checked.error().message);
  report.say("tensors    every name and shape agrees with config.json");
}

void report_tokenizer(const fs::path& folder, const ModelConfig& config, Report& report) {
  const Result<Tokenizer> tokenizer = load_tokenizer(folder, config);
  report.json["tokenizer"] = tokenizer.has_value();
  if (!tokenizer) return report.problem(tokenizer.error().message);
  report.say(cat("tokenizer  ", tokenizer->num_tokens(), " tokens"));
}

// An unknown template is no problem: prompts are rendered as the official one would.
void report_template(const fs::path& folder, Report& report) {
  const auto hash = unknown_template(folder);
  if (!hash) return report.problem(hash.error().message);
  report.json["known_template"] = !*hash;
  if (*hash) {
    report.say("template   chat_template.jinja is not known (SHA-256 " + **hash +
               "): prompts are rendered as GLM-4.7-Flash's own");
  }
}

// All that is wrong with the files, not the first of it alone.
void report_files(const fs::path& folder, const ModelConfig& config, Report& report) {
  const auto generation = load_generation_config(folder / "generation_config.json");
  if (!generation) report.problem(generation.error().message);
  report_checkpoint(folder, config, report);
  report_tokenizer(folder, config, report);
  report_template(folder, report);
}

// The GPU that the plan is for: the named one, else the first that is there.
Result<std::optional<MemoryPlanRequest>> planned_gpu(const DoctorOptions& options,
                                                     const GpuProbe& probe) {
  MemoryPlanRequest request;
  request.context_length = options.context_length;
  if (!options.gpu.empty()) {
    const GpuInfo* gpu = find_gpu(options.gpu);
    if (gpu == nullptr) {
      std::string names;
      for (const GpuInfo& known : gpu_table()) names += cat(" ", known.short_name, ",");
      names.back() = '.';
      return Error{ErrorCode::kStartup,
                   cat("--gpu ", options.gpu, " is not known; expected one of:", names)};
    }
    request.device = std::string(gpu->name);
    request.total_bytes = gpu->memory_bytes;
    return std::optional(request);
  }
  if (probe.gpus.empty()) return std::optional<MemoryPlanRequest>();
  request.device = probe.gpus[0].name;
  request.total_bytes = probe.gpus[0].memory_bytes;
  return std::optional(request);
}

void report_plan(const ModelConfig& config, const MemoryPlanRequest& request, Report& report) {
  const MemoryPlan plan = plan_memory(config, request);
  report.json["memory_plan"] = {{"device", plan.device},
                                {"total_bytes", plan.total_bytes},
                                {"weights_bytes", plan.weights_bytes},
                                {"activation_bytes", plan.activation_bytes},
                                {"runtime_bytes", plan.runtime_bytes},
                                {"kv_bytes", plan.kv_bytes},
                                {"kv_bytes_per_token", plan.kv_bytes_per_token},
                                {"kv_tokens", plan.kv_tokens()},
                                {"kv_pages", plan.kv_pages()},
                                {"page_size", plan.page_size},
                                {"context_length", plan.context_length}};
  const Result<void> fits = check_memory(plan);
  if (!fits) return report.problem(fits.error().message);
  report.say(
      cat("\nmemory plan (weights are ", plan.weights_bytes, " bytes)\n", memory_table(plan)));
}

// What `glint serve` would do on this machine: a small model runs anywhere.
void report_device(const ModelConfig& config, Report& report) {
  const int64_t bytes = weights_bytes(config, 2, /*with_mtp=*/false);
  const std::string no_gpu = why_no_gpu();
  if (no_gpu.empty()) return report.say("device     the GPU");
  if (bytes < kCpuModelBytes) {
    return report.say(cat("device     CPU: the weights are ", bytes, " bytes, under 1 GB"));
  }
  report.problem(cat("the weights are ", bytes, " bytes. ", no_gpu,
                     ". Models of 1 GB and more need an NVIDIA GPU and a build with CUDA; "
                     "--gpu NAME shows the plan for another machine's."));
}

Result<void> report_model(const DoctorOptions& options, const GpuProbe& probe, Report& report) {
  const std::string model = TRY(model_or_bundled(options.model));
  const fs::path folder = TRY(resolve_model(model));
  report.say("model      " + folder.string());
  report.json["folder"] = folder.string();
  const ModelConfig config = TRY(load_config(folder / "config.json"));
  report.say(cat("config     ", config.num_hidden_layers, " layers, ", config.n_routed_experts,
                 " experts, context ", config.max_position_embeddings, ", ", config.dtype));
  report_files(folder, config, report);
  const std::optional<MemoryPlanRequest> request = TRY(planned_gpu(options, probe));
  if (request) report_plan(config, *request, report);
  if (options.gpu.empty()) report_device(config, report);
  return {};
}

}  // namespace

int run_doctor(int argc, char** argv) {
  DoctorOptions options;
  CLI::App app("Checks GPU, libraries, model files and memory before anything is loaded.",
               "glint doctor");
  add_model_argument(app, options.model);
  app.add_option("--gpu", options.gpu, "plan the memory of this GPU, as H100, H200 or B200");
  app.add_option("--context-length", options.context_length, "tokens of one request")
      ->check(above_zero());
  app.add_flag("--json", options.json, "print one JSON object");
  if (const std::optional<int> status = parse_command_line(app, argc, argv)) return *status;

  Report report;
  const GpuProbe probe = probe_gpus();
  report_gpus(probe, report);
  const Result<void> done = report_model(options, probe, report);
  if (!done) report.problem(done.error().message);
  if (report.ok()) report.say("no problem found");
  std::fputs(options.json ? (to_json_text(report.json) + "\n").c_str() : report.text.c_str(),
             stdout);
  return report.ok() ? 0 : 1;
}

}  // namespace glint
