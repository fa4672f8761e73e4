#include "model/memory_plan.h"

#include <algorithm>
#include <cstdio>

#include "backend/cuda/attention_decode.h"
#include "backend/cuda/attention_prefill.h"
#include "model/checkpoint_tensors.h"

namespace glint {
namespace {

constexpr double kGiB = 1 << 30;

// An estimate on the safe side: CUDA context and modules 0.5 GiB, graphs of the decode batch sizes
// 0.5, fragmentation and library workspaces (cuBLASLt asks for 32 MiB a stream) 0.25.
constexpr int64_t kRuntimeBytes = int64_t{1280} << 20;
// NCCL's buffers for each GPU of a group of several: what SGLang keeps free for them.
constexpr int64_t kGroupBytesPerGpu = int64_t{128} << 20;

// Numbers that a row of a step has alive at once, at most, if no tensor reuses another's place.
struct NumbersPerRow {
  int64_t of_step;   // residual and delta, queries and what attention gives
  int64_t of_block;  // norm and projections of the attention, queries and sums in the absorbed
                     // form, and the wider of the two MLPs, with experts' inputs side by side
};
NumbersPerRow numbers_per_row(const ModelConfig& c) {
  const int64_t heads = c.num_attention_heads;
  const int64_t attention = c.q_lora_rank + c.kv_row() +
                            heads * (c.qk_head_dim() + c.kv_row() + c.kv_lora_rank + c.v_head_dim);
  const int64_t dense = int64_t{3} * c.intermediate_size;
  const int64_t moe = c.experts_per_row() * (int64_t{3} * c.moe_intermediate_size + c.hidden_size) +
                      int64_t{c.num_experts_per_tok} * c.hidden_size;
  const int64_t hidden = int64_t{2} * c.hidden_size;
  return {.of_step = hidden + heads * (c.qk_head_dim() + c.v_head_dim),
          .of_block = hidden + attention + std::max(dense, moe)};
}

// What attention keeps beside the activations (docs/kernels/attention.md): keys and values of so
// many context rows in the expanded form and the running sums of prompt rows whose contexts are
// longer, and the parts of rows that are decoded, or that are computed again after a request gave
// way. All FP32 but keys and values.
int64_t attention_bytes(const ModelConfig& c, const MemoryPlanRequest& request, int rows) {
  const int64_t heads = c.num_attention_heads;
  const int64_t context = std::min(request.context_length.value_or(c.max_position_embeddings),
                                   c.max_position_embeddings);
  const int64_t block_rows = std::min<int64_t>(context, cuda::kPrefillBlockRows);
  const int64_t keys_values =
      block_rows * (heads * (c.qk_head_dim() + c.v_head_dim) + c.kv_lora_rank);
  const int64_t running = context > block_rows ? heads * (c.v_head_dim + 8) * rows : 0;
  const int64_t parts = cuda::kMostDecodeParts * cuda::decode_part_bytes(heads, c.kv_lora_rank);
  return keys_values * request.element_bytes + 4 * running + parts;
}

// FP32 logits, and every request's counts and lists. GPUs that share a model gather all logits,
// each beside its own part, and each samples.
int64_t sampling_bytes(const ModelConfig& c, int requests, int num_gpus) {
  const int64_t own = num_gpus > 1 ? c.vocab_size / num_gpus : 0;
  return requests * (4 * (int64_t{2} * c.vocab_size + own) + kSampleSlotBytes);
}

std::string gib_line(const std::string& what, int64_t bytes, bool with_unit) {
  char line[128];
  std::snprintf(line, sizeof(line), "  %-30s%8.1f%s\n", what.c_str(),
                static_cast<double>(bytes) / kGiB, with_unit ? " GiB" : "");
  return line;
}

// Nothing for a part that is empty: a table has no lines of zeros.
std::string minus_line(const std::string& what, int64_t bytes) {
  return bytes == 0 ? "" : gib_line(what, -bytes, /*with_unit=*/false);
}

std::string kib(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f KiB", static_cast<double>(bytes) / 1024);
  return text;
}

std::string format_name(int element_bytes) {
  return element_bytes == 4 ? "fp32" : element_bytes == 2 ? "bf16" : "fp8";
}

int divided(int size, int num_gpus) {
  CHECK(size % num_gpus == 0, size, " cannot be shared evenly by ", num_gpus, " GPUs");
  return size / num_gpus;
}

std::string what_helps(const MemoryPlan& plan) {
  const int64_t rounded = plan.kv_tokens() / 1024 * 1024;
  const bool weights_fit = plan.kv_bytes + plan.activation_bytes + plan.unused_bytes > 0;
  std::string advice = "Try ";
  if (rounded > 0) advice += cat("--context-length ", rounded, ", ");
  if (weights_fit && plan.unused_bytes > 0) advice += "a larger --mem-fraction-static, ";
  advice += weights_fit ? "a smaller --chunked-prefill-size or --max-running-requests"
                        : "a GPU with more memory";
  return advice + (plan.used_by_others_bytes > 0 ? ", or stop the other processes." : ".");
}

}  // namespace

ModelConfig gpu_part(const ModelConfig& config, int num_gpus) {
  ModelConfig part = config;
  for (int ModelConfig::*size : {&ModelConfig::num_attention_heads, &ModelConfig::intermediate_size,
                                 &ModelConfig::moe_intermediate_size, &ModelConfig::vocab_size})
    part.*size = divided(config.*size, num_gpus);
  return part;
}

int64_t weights_bytes(const ModelConfig& config, int element_bytes, bool with_mtp) {
  int64_t bytes = 0;
  for (const TensorSpec& tensor : model_tensors(config, ExpertLayout::kStacked, with_mtp)) {
    bytes += num_elements({tensor}) * (tensor.is_float32 ? 4 : element_bytes);
  }
  return bytes;
}

int64_t kv_bytes_per_token(const ModelConfig& config, int kv_element_bytes, bool with_mtp) {
  const int64_t layers = config.num_hidden_layers + (with_mtp ? 1 : 0);
  return layers * config.kv_row() * kv_element_bytes;
}

int64_t MemoryPlan::kv_pages() const {
  return std::max<int64_t>(0, kv_bytes) / (kv_bytes_per_token * page_size);
}

MemoryPlan plan_memory(const ModelConfig& config, const MemoryPlanRequest& request) {
  CHECK(request.page_size >= 1, request.page_size);
  const ModelConfig part = gpu_part(config, request.num_gpus);
  MemoryPlan plan;
  plan.device = request.device;
  plan.total_bytes = request.total_bytes;
  plan.used_by_others_bytes = request.used_by_others_bytes;
  plan.num_gpus = request.num_gpus;
  plan.weights_bytes = weights_bytes(part, request.element_bytes, request.with_mtp);
  const int rows = std::max(request.chunked_prefill_size, request.max_running_requests);
  const int64_t block = request.block_rows > 0 ? std::min(rows, request.block_rows) : rows;
  const NumbersPerRow numbers = numbers_per_row(part);
  plan.activation_bytes =
      (numbers.of_step * rows + numbers.of_block * block) * request.element_bytes +
      attention_bytes(part, request, rows) +
      sampling_bytes(config, request.max_running_requests, request.num_gpus);
  plan.runtime_bytes =
      kRuntimeBytes + (request.num_gpus > 1 ? kGroupBytesPerGpu * request.num_gpus : 0);
  const int64_t workspace = plan.activation_bytes + plan.runtime_bytes;
  if (request.mem_fraction_static) {
    const auto reserved = static_cast<int64_t>(static_cast<double>(request.total_bytes) *
                                               (1 - *request.mem_fraction_static));
    plan.unused_bytes = std::max<int64_t>(0, reserved - workspace);
  }
  plan.kv_bytes = plan.total_bytes - plan.used_by_others_bytes - plan.weights_bytes - workspace -
                  plan.unused_bytes;
  plan.kv_bytes_per_token = kv_bytes_per_token(config, request.kv_element_bytes, request.with_mtp);
  plan.page_size = request.page_size;
  plan.context_length = std::min(request.context_length.value_or(config.max_position_embeddings),
                                 config.max_position_embeddings);
  plan.element_bytes = request.element_bytes;
  plan.kv_element_bytes = request.kv_element_bytes;
  return plan;
}

std::string memory_table(const MemoryPlan& plan) {
  const bool is_shared = plan.num_gpus > 1;
  return gib_line(plan.device, plan.total_bytes, /*with_unit=*/true) +
         minus_line("used by other processes", plan.used_by_others_bytes) +
         minus_line(cat("weights, ", format_name(plan.element_bytes),
                        is_shared ? ", each GPU's part" : ""),
                    plan.weights_bytes) +
         minus_line("activations and logits", plan.activation_bytes) +
         minus_line(is_shared ? "CUDA context, graphs, NCCL" : "CUDA context and graphs",
                    plan.runtime_bytes) +
         minus_line("kept free (memory fraction)", plan.unused_bytes) +
         gib_line("left for the KV cache", plan.kv_bytes, /*with_unit=*/true) +
         cat("  at ", kib(plan.kv_bytes_per_token), " per token (",
             format_name(plan.kv_element_bytes), "): room for ", plan.kv_tokens(), " tokens in ",
             plan.kv_pages(), " pages of ", plan.page_size, "\n");
}

Result<void> check_memory(const MemoryPlan& plan) {
  if (plan.fits()) return {};
  const std::string where =
      plan.num_gpus > 1 ? cat(" on each of ", plan.num_gpus, " GPUs that share the model") : "";
  const std::string head = cat("Not enough memory for one request of ", plan.context_length,
                               " tokens", where, ".\n", memory_table(plan));
  return Error{ErrorCode::kStartup, head + what_helps(plan)};
}

}  // namespace glint
