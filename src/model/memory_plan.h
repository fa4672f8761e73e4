#pragma once

// What a GPU's memory is spent on, as a sum made before anything is loaded: weights, workspace, and
// the KV cache gets the rest. Plain arithmetic, so that `glint doctor` can print it for a GPU that
// is not there; the backend that allocates obeys it. GPUs that share a model all have the same one.

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/config.h"

namespace glint {

// Of one running request in the sample op, but for its table of counts: at most.
inline constexpr int64_t kSampleSlotBytes = 28 << 10;

struct MemoryPlanRequest {
  std::string device;       // its name, for the table
  int64_t total_bytes = 0;  // of the device
  int64_t used_by_others_bytes = 0;
  int num_gpus = 1;                   // that share the model; must divide what gpu_part() splits
  int element_bytes = 2;              // of weights and activations: BF16
  int kv_element_bytes = 2;           // 2: BF16, 1: FP8
  bool with_mtp = false;              // its layer's weights and KV rows too
  int page_size = 64;                 // tokens
  int chunked_prefill_size = 8192;    // tokens in one step at most
  int block_rows = 0;                 // of them at once, attention aside; 0: all
  int max_running_requests = 256;     // rows that get logits in one step at most
  std::optional<int> context_length;  // tokens of one request; nothing: the model's own
  // Weights and KV cache together get at most this part of total_bytes (SGLang's
  // --mem-fraction-static). Nothing: all but the workspace.
  std::optional<double> mem_fraction_static;
};

struct MemoryPlan {
  std::string device;
  int64_t total_bytes = 0;
  int64_t used_by_others_bytes = 0;
  int num_gpus = 1;              // that share the model; all bytes are those of one of them
  int64_t weights_bytes = 0;     // its part
  int64_t activation_bytes = 0;  // one chunk's intermediate tensors, what attention keeps beside
                                 // them, one step's logits, all running requests' sampling state
  int64_t runtime_bytes = 0;     // CUDA context, kernels, graphs, fragmentation, NCCL
  int64_t unused_bytes = 0;      // what mem_fraction_static leaves alone
  int64_t kv_bytes = 0;          // what is left; negative: it does not fit
  int64_t kv_bytes_per_token = 0;
  int page_size = 0;
  int context_length = 0;  // what one request may take
  int element_bytes = 0, kv_element_bytes = 0;

  int64_t kv_pages() const;
  int64_t kv_tokens() const { return kv_pages() * page_size; }
  // At least one request of context_length fits.
  bool fits() const { return kv_tokens() >= context_length; }
};

// The model that one of `num_gpus` computes: its part of the heads (q_b, kv_b, o), of the width of
// every MLP and expert, and of the vocabulary (embedding, head). Whole on each: q_a, kv_a and with
// them the cache's rows, norms, routers, eh_proj.
ModelConfig gpu_part(const ModelConfig& config, int num_gpus);

int64_t weights_bytes(const ModelConfig& config, int element_bytes, bool with_mtp);
// All layers' rows of one token: kv_row numbers in each.
int64_t kv_bytes_per_token(const ModelConfig& config, int kv_element_bytes, bool with_mtp);

MemoryPlan plan_memory(const ModelConfig& config, const MemoryPlanRequest& request);

// The sum as a table of GiB, one line a part, and the room in tokens:
//
//   NVIDIA H100 80GB HBM3         79.1 GiB
//   weights, bf16                -55.8
//   ...
std::string memory_table(const MemoryPlan& plan);

// kStartup if a request of context_length does not fit: the table, then the flags that help.
Result<void> check_memory(const MemoryPlan& plan);

}  // namespace glint
