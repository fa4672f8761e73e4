#pragma once

// An op of a step, ready to be called again and again.

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "bench/bench_step.h"
#include "bench/random_memory.h"
#include "model/config.h"

namespace glint {

struct OpCase {
  int num_copies = 1;             // of what the op reads from memory, walked in turn
  std::function<void(int)> call;  // with copy 0 ... num_copies - 1
  bool can_be_recorded = true;
};

// What lasts from one op to the next.
struct BenchMemory {
  explicit BenchMemory(Backend& backend) : weights(backend, 0.02f), cache(backend, 1.0f) {}
  RandomArena weights, cache;
  RandomNumbers activations{1.0f};
};

// Makes the cases of one step size, and owns their memory. One case lives at a time where `memory`
// is shared.
class OpCases {
 public:
  OpCases(Backend& backend, const ModelConfig& config, const BenchStep& step, BenchMemory& memory)
      : backend_(backend), config_(config), step_(step), memory_(memory) {}

  const ModelConfig& config() const { return config_; }
  bool out_of_memory() const { return out_of_memory_; }  // a case may not be called then

  OpCase resolve_sampled_ids();
  OpCase embed();
  OpCase gather_rows();
  OpCase rms_norm(int n);
  OpCase add_rms_norm();
  OpCase linear(int in, int out, NumberType out_type = NumberType::kBf16);
  OpCase linear_swiglu(int width);
  OpCase rope_table();
  OpCase rope_query();
  OpCase split_qkv_a();
  OpCase mla_absorb_query();
  OpCase mla_query();
  OpCase plan_attend();
  OpCase mla_attend();
  OpCase mla_expand_output();
  OpCase mla_attend_output();
  OpCase mla_attend_expanded();
  OpCase route();
  OpCase add_rms_norm_route();
  OpCase moe_gate_up();
  OpCase moe_down();
  OpCase moe_combine();
  OpCase moe_combine_add_rms_norm();
  OpCase embed_norm_concat();
  OpCase sample(float temperature, float top_p);

 private:
  int rows() const { return step_.size().rows; }
  float scale() const;

  char* allocate(int64_t bytes);
  template <typename T>
  T* array(int64_t size) {
    return reinterpret_cast<T*>(allocate(size * int64_t{sizeof(T)}));
  }
  Matrix output(int rows, int cols, NumberType type = NumberType::kBf16);
  Matrix input(int rows, int cols, NumberType type = NumberType::kBf16);
  // Copies of [count, rows, cols], so many that their parts that a call reads are 256 MB together.
  std::vector<MatrixStack> weights(int count, int rows, int cols, double share_read = 1);
  std::vector<Matrix> weights(int rows, int cols);
  std::vector<KvPages> kv_pages();
  RouterParams router_params() const;
  Routing unrouted();
  Matrix cos_sin() { return input(rows(), config_.qk_rope_head_dim, NumberType::kF32); }

  Backend& backend_;
  const ModelConfig& config_;
  const BenchStep& step_;
  BenchMemory& memory_;
  std::vector<Buffer> buffers_;
  bool out_of_memory_ = false;
};

}  // namespace glint
