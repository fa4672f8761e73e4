#include "apps/load_model.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "apps/device.h"
#include "apps/progress.h"
#include "base/file.h"
#include "base/log.h"
#include "chat/known_template.h"
#include "chat/sha256.h"
#include "engine/local_model_runner.h"
#include "model/checkpoint.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "model/step_cost.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

// The KV pool on the CPU when --max-total-tokens does not say: at most so many bytes and tokens.
constexpr int64_t kCpuKvBytes = int64_t{512} << 20;
constexpr int64_t kCpuKvTokens = 131072;

// Of a step that decodes on a GPU and takes prompts along: nobody's next token is later than that.
constexpr double kGpuStepBudgetUs = 45'000;

// Of a step's prompt rows on a GPU: so many are computed at once, attention aside. Memory is taken
// for these; the rest of a larger step takes 28 KB a row.
constexpr int kGpuBlockRows = 8192;

constexpr char kTemplateFile[] = "chat_template.jinja";

Error startup(std::string message) { return {ErrorCode::kStartup, std::move(message)}; }

Result<void> check_format(const LoadOptions& options) {
  const std::string& format = options.load_format;
  if (format == "auto" || format == "safetensors" || format == "dummy") return {};
  return startup(cat("--load-format is ", format, "; expected auto, safetensors or dummy."));
}

Result<NumberType> compute_type(const std::string& dtype, const ModelConfig& config) {
  if (dtype == "float32" || dtype == "float") return NumberType::kF32;
  if (dtype == "bfloat16" || dtype == "bf16") return NumberType::kBf16;
  if (dtype == "auto") return config.dtype == "float32" ? NumberType::kF32 : NumberType::kBf16;
  return startup(cat("--dtype is ", dtype, "; expected auto, bfloat16 or float32."));
}

Result<std::string> read_bytes(const fs::path& path) {
  if (auto bytes = read_file(path)) return *std::move(bytes);
  return startup(cat("Cannot read ", path.string(), "."));
}

// The native renderer stands for the templates that it was compared with, and for no other.
Result<void> check_template(const std::string& flag, const fs::path& folder) {
  if (flag.empty()) {
    if (const std::optional<std::string> hash = TRY(unknown_template(folder))) {
      log_warning("unknown chat template: prompts are rendered as GLM-4.7-Flash's own",
                  {{"file", (folder / kTemplateFile).string()}, {"sha256", *hash}});
    }
    return {};
  }
  const std::string hash = sha256_hex(TRY(read_bytes(flag)));
  if (is_known_template(hash)) return {};
  return startup(cat("--chat-template ", flag, " has the SHA-256 ", hash,
                     ", which is not a template that glint knows: expected ",
                     kOfficialTemplateSha256, ", GLM-4.7-Flash's own. Leave the flag out."));
}

Result<std::optional<Tokenizer>> load_tokenizer(const LoadOptions& options, const fs::path& folder,
                                                const ModelConfig& config) {
  if (options.skip_tokenizer_init) return std::optional<Tokenizer>();
  fs::path path = folder;
  if (!options.tokenizer_path.empty())
    path = TRY(resolve_model(options.tokenizer_path, process_environment, options.hub));
  return std::optional<Tokenizer>(TRY(load_tokenizer(path, config)));
}

std::vector<TokenId> stop_ids(const ModelConfig& config, const GenerationConfig& generation) {
  std::vector<TokenId> ids = config.eos_token_id;
  ids.insert(ids.end(), generation.eos_token_id.begin(), generation.eos_token_id.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// How many tokens the KV pool holds if --max-total-tokens does not say, or at most.
Result<int64_t> kv_tokens(const LoadOptions& options, const ModelConfig& config,
                          const SchedulerLimits& limits, const Device& device, int element_bytes) {
  const int64_t token_bytes = kv_bytes_per_token(config, element_bytes, /*with_mtp=*/false);
  if (!device.is_gpu()) {
    return options.max_total_tokens.value_or(std::min(kCpuKvTokens, kCpuKvBytes / token_bytes));
  }
  const MemoryPlan plan = plan_memory(config, {.device = device.gpu_name,
                                               .total_bytes = device.memory_bytes,
                                               .used_by_others_bytes = device.used_by_others_bytes,
                                               .element_bytes = element_bytes,
                                               .kv_element_bytes = element_bytes,
                                               .page_size = limits.page_size,
                                               .chunked_prefill_size = max_step_tokens(limits),
                                               .block_rows = limits.max_mixed_tokens,
                                               .max_running_requests = limits.max_running_requests,
                                               .context_length = limits.context_length,
                                               .mem_fraction_static = options.mem_fraction_static});
  TRY(check_memory(plan));
  std::fputs(memory_table(plan).c_str(), stderr);
  // What no page table can name is left free: all running requests at their longest.
  const int64_t longest = int64_t{limits.max_running_requests} * limits.context_length;
  return std::min({plan.kv_tokens(), longest, options.max_total_tokens.value_or(longest)});
}

Result<SchedulerLimits> make_limits(const LoadOptions& options, const ModelConfig& config,
                                    const Device& device, int element_bytes) {
  SchedulerLimits limits = options.limits;
  limits.chunked_prefill_size = options.chunked_prefill_size.value_or(device.is_gpu() ? 8192 : 512);
  limits.context_length = options.context_length.value_or(config.max_position_embeddings);
  if (limits.context_length > config.max_position_embeddings) {
    return startup(cat("--context-length is ", limits.context_length,
                       "; the model was made for at most ", config.max_position_embeddings,
                       " tokens (max_position_embeddings)."));
  }
  // Where both forms are one arithmetic, as on the CPU, sharing all rows changes no bits.
  limits.share_prompt_rows_only =
      options.deterministic && device.backend->prompt_form() != MlaForm::kAbsorbed;
  if (device.is_gpu()) {
    const StepCost cost = gpu_step_cost(config, device.gpu_name);
    limits.cost = {cost.base_us, cost.per_token_us, cost.per_context_token_us};
    limits.step_budget_us = kGpuStepBudgetUs;
    if (device.backend->prompt_form() == MlaForm::kExpanded)
      limits.max_mixed_tokens = kGpuBlockRows + limits.max_running_requests;
  }
  const int64_t tokens = TRY(kv_tokens(options, config, limits, device, element_bytes));
  limits.num_pages = static_cast<int>(tokens / limits.page_size);
  if (limits.num_pages < 2) {
    return startup(cat("The KV cache has room for ", tokens, " tokens; expected at least ",
                       2 * limits.page_size, ", two pages. Raise --max-total-tokens."));
  }
  return limits;
}

Result<Model> load_weights(const LoadOptions& options, const LoadedModel& loaded,
                           const ModelOptions& model_options) {
  Progress bar("loading");
  const LoadProgress progress = [&](int64_t done, int64_t total) {
    bar.update(done, total);
    if (options.on_progress) options.on_progress(done, total);
  };
  if (options.load_format == "dummy") {
    return Model::load_dummy(*loaded.backend, loaded.config, model_options, options.random_seed,
                             progress);
  }
  const Checkpoint checkpoint = TRY(Checkpoint::open(loaded.folder));
  TRY(check_tensors(checkpoint, loaded.config, /*with_mtp=*/false));
  return Model::load(*loaded.backend, loaded.config, checkpoint, model_options, progress);
}

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void print_memory(const Model& model, const SchedulerLimits& limits) {
  const int64_t sum = model.weight_bytes() + model.kv_bytes();
  std::fprintf(
      stderr, "memory: weights %.1f MiB + KV cache %.1f MiB (%lld tokens in %d pages) = %.1f MiB\n",
      mebibytes(model.weight_bytes()), mebibytes(model.kv_bytes()),
      static_cast<long long>(limits.num_pages) * limits.page_size, limits.num_pages,
      mebibytes(sum));
}

}  // namespace

Result<Tokenizer> load_tokenizer(const fs::path& folder, const ModelConfig& config) {
  Tokenizer tokenizer = TRY(Tokenizer::load(folder / "tokenizer.json"));
  if (tokenizer.num_tokens() > config.vocab_size) {
    return startup(cat((folder / "tokenizer.json").string(), " has ", tokenizer.num_tokens(),
                       " tokens; config.json's vocab_size is ", config.vocab_size, "."));
  }
  return tokenizer;
}

Result<std::optional<std::string>> unknown_template(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_regular_file(folder / kTemplateFile, error)) return std::optional<std::string>();
  const std::string hash = sha256_hex(TRY(read_bytes(folder / kTemplateFile)));
  return is_known_template(hash) ? std::optional<std::string>() : std::optional(hash);
}

Result<LoadedModel> load_model(const LoadOptions& options) {
  TRY(check_format(options));
  LoadedModel loaded;
  TRY(use_gpu(options.base_gpu_id));
  loaded.folder = TRY(resolve_model(options.model, process_environment, options.hub));
  loaded.config = TRY(load_config(loaded.folder / "config.json"));
  loaded.generation_config = TRY(load_generation_config(loaded.folder / "generation_config.json"));
  const NumberType compute = TRY(compute_type(options.dtype, loaded.config));
  const int element_bytes = static_cast<int>(bytes_per_number(compute));
  TRY(check_template(options.chat_template, loaded.folder));
  loaded.tokenizer = TRY(load_tokenizer(options, loaded.folder, loaded.config));
  loaded.stop_token_ids = stop_ids(loaded.config, loaded.generation_config);
  Device device = TRY(open_device(options.device,
                                  weights_bytes(loaded.config, element_bytes, /*with_mtp=*/false),
                                  options.num_threads));
  loaded.limits = TRY(make_limits(options, loaded.config, device, element_bytes));
  if (device.is_gpu()) loaded.device = device.gpu_name;
  loaded.backend = std::move(device.backend);
  ModelOptions room = model_options(loaded.limits, compute);
  room.recorded_rows = options.recorded_rows;
  room.max_recorded_rows = options.max_recorded_rows;
  loaded.clock = std::make_unique<SteadyClock>();
  const double begin_s = loaded.clock->now_s();
  Model model = TRY(load_weights(options, loaded, room));
  loaded.memory = {.weights_bytes = model.weight_bytes(), .kv_bytes = model.kv_bytes()};
  loaded.load_weights_s = loaded.clock->now_s() - begin_s;
  print_memory(model, loaded.limits);
  const int num_tokens =
      loaded.tokenizer ? loaded.tokenizer->num_tokens() : loaded.config.vocab_size;
  loaded.engine = std::make_unique<Engine>(
      loaded.limits,
      std::make_unique<LocalModelRunner>(*loaded.backend, std::move(model), num_tokens),
      *loaded.clock, options.engine);
  return loaded;
}

void fill_context(ServerContext& context, const LoadedModel& model) {
  context.generation_config = model.generation_config;
  context.tokenizer = model.tokenizer;
  context.stop_token_ids = model.stop_token_ids;
  context.limits = model.limits;
  context.device = model.device;
  context.memory = model.memory;
  context.startup.load_weights_s = model.load_weights_s;
}

EngineThread::EngineThread(Engine& engine)
    : engine_(engine), thread_([&engine] { engine.run(); }) {}

EngineThread::~EngineThread() {
  engine_.stop();
  thread_.join();
}

}  // namespace glint
