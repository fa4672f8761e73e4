#pragma once

// From a MODEL argument to a running engine: what serve, generate and chat share.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/server_context.h"
#include "apps/device.h"
#include "backend/backend.h"
#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "model/config.h"
#include "model/hub.h"
#include "scheduler/limits.h"
#include "tokenizer/tokenizer.h"

namespace glint {

// What the flags said; "auto", 0 and nothing leave the choice to load_model.
struct LoadOptions {
  std::string model;                 // a Hugging Face folder, or an id in the local cache
  HubOptions hub;                    // which files of an id
  std::string tokenizer_path;        // empty: the model's folder
  std::string chat_template;         // empty: the folder's own
  std::string device = "auto";       // auto, cpu, cuda
  std::string dtype = "auto";        // auto (the checkpoint's), bfloat16, float32
  std::string load_format = "auto";  // auto, safetensors, dummy (random weights)
  bool skip_tokenizer_init = false;  // no text, only ids
  int num_threads = 0;               // of the CPU backend; 0: all cores
  int base_gpu_id = 0;               // of the GPUs that the process may see
  // Steps that are recorded on a GPU (model/model.h).
  std::optional<std::vector<int>> recorded_rows;
  std::optional<int> max_recorded_rows;
  uint64_t random_seed = 0;                   // of dummy weights
  bool deterministic = false;                 // the request rule on every device
  std::optional<int> context_length;          // tokens of one request, at most the model's own
  std::optional<int64_t> max_total_tokens;    // KV rows in the pool, at most what fits
  std::optional<double> mem_fraction_static;  // of a GPU's memory, for weights and KV rows
  // Prompt tokens in one step, -1: whole prompts. Nothing: 8,192 on a GPU; 512 on the CPU, where
  // larger steps would keep the answers of others waiting.
  std::optional<int> chunked_prefill_size;
  SchedulerLimits limits{};  // context_length and num_pages are filled in by load_model
  EngineOptions engine{};
  std::function<void(int64_t done_bytes, int64_t total_bytes)> on_progress{};  // of the weights
};

struct LoadedModel {
  std::filesystem::path folder;
  ModelConfig config;
  GenerationConfig generation_config;
  std::optional<Tokenizer> tokenizer;   // nothing with skip_tokenizer_init
  std::vector<TokenId> stop_token_ids;  // of config.json and generation_config.json together
  SchedulerLimits limits;               // as the engine has them
  std::string device = "cpu";           // or the GPU's name
  MemoryUse memory;
  double load_weights_s = 0;
  std::unique_ptr<Backend> backend;  // the engine's model computes on it
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Engine> engine;  // nobody runs it yet: see EngineThread
};

// Resolves the folder, checks and loads config, tokenizer and weights, and builds the engine.
// Progress and warnings go to stderr. The Error (kStartup) is for the person who typed the command.
Result<LoadedModel> load_model(const LoadOptions& options);

// The tokenizer of a folder, checked against the model's config.
Result<Tokenizer> load_tokenizer(const std::filesystem::path& folder, const ModelConfig& config);

// The SHA-256 of the folder's chat_template.jinja if it is not one that glint knows. Without a
// file, prompts are rendered as GLM-4.7-Flash's own all the same.
Result<std::optional<std::string>> unknown_template(const std::filesystem::path& folder);

// What the endpoints must know of the model.
void fill_context(ServerContext& context, const LoadedModel& model);

// Runs the engine as long as this lives. Ends every open request with kAbort.
class EngineThread {
 public:
  explicit EngineThread(Engine& engine);
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

 private:
  Engine& engine_;
  std::thread thread_;
};

}  // namespace glint
