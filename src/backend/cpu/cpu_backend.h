#pragma once

// The CPU backend: plain, exact, portable to every x86-64. Everything is absorbed, in one
// arithmetic, so a token's bits do not depend on chunking or batching.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/thread_pool.h"

namespace glint {

// FP32 scratch that grows to the largest step it has seen and stays.
class Scratch {
 public:
  float* floats(size_t count) {
    if (data_.size() < count) data_.resize(count);
    return data_.data();
  }

 private:
  std::vector<float> data_;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(int num_threads, const cpu::Kernels& kernels);

  std::string description() const override;
  MlaForm prompt_form() const override { return MlaForm::kAbsorbed; }

  void* allocate(size_t bytes) override;
  void free(void* data) override;
  void upload(void* to, const void* from_host, size_t bytes) override;
  void download(void* to_host, const void* from, size_t bytes) override;
  void zero(void* data, size_t bytes) override;
  void random_normal(Matrix out, uint64_t key, int64_t begin, float sigma) override;
  void* allocate_host(size_t bytes) override { return allocate(bytes); }
  void free_host(void* data) override { free(data); }
  void upload_async(void* to, const void* from_host, size_t bytes) override {
    upload(to, from_host, bytes);
  }
  void download_async(void* to_host, const void* from, size_t bytes) override {
    download(to_host, from, bytes);
  }
  std::unique_ptr<Event> make_event() override;

  void resolve_sampled_ids(const StepView& step, const SampleSlot* slots,
                           TokenId* token_ids) override;
  void embed(const StepView& step, Matrix table, Matrix out) override;
  void gather_rows(Matrix x, RowList rows, Matrix out) override;
  void rms_norm(Matrix x, Matrix weight, float eps, Matrix out) override;
  void add_rms_norm(Matrix delta, Matrix residual, Matrix weight, float eps, Matrix out) override;
  void linear(Matrix x, Matrix w, Matrix out) override;
  void linear_swiglu(Matrix x, Matrix w, Matrix out) override;
  void rope_table(const StepView& step, double theta, Matrix cos_sin) override;
  void split_qkv_a(const StepView& step, Matrix qkv_a, const QkvNorms& norms,
                   const Rotation& rotation, Matrix c_q, KvPages kv) override;
  void rope_query(Matrix q, int num_heads, const Rotation& rotation, RowList rows) override;
  void mla_absorb_query(Matrix q, MatrixStack w_uk, const Rotation& rotation, RowList rows,
                        Matrix q_row) override;
  void mla_attend(const StepView& step, Matrix q_row, int num_heads, KvPages kv, float scale,
                  RowList rows, Matrix o_latent) override;
  void mla_expand_output(Matrix o_latent, MatrixStack w_uv, RowList rows, Matrix o) override;
  void mla_attend_expanded(const StepView& step, Matrix q, MatrixStack w_uk, MatrixStack w_uv,
                           KvPages kv, float scale, RowList rows, Matrix o) override;
  void route(Matrix x, Matrix w, Matrix bias, const RouterParams& params, Routing routing) override;
  void moe_gate_up(Matrix x, const Routing& routing, MatrixStack w, Matrix act) override;
  void moe_down(Matrix act, const Routing& routing, MatrixStack w, Matrix parts) override;
  void moe_combine(Matrix parts, const Routing& routing, Matrix out) override;
  void moe_combine_add_rms_norm(Matrix parts, const Routing& routing, Matrix residual,
                                Matrix weight, float eps, Matrix out) override;
  void embed_norm_concat(const StepView& step, Matrix table, Matrix enorm, Matrix hidden,
                         Matrix hnorm, float eps, Matrix out) override;
  void sample(const SampleArgs& args) override;

 private:
  // Pointers to FP32 rows: x's own where it is FP32, else widened into `scratch`.
  std::vector<const float*> widened_rows(Matrix x, Scratch& scratch);
  // Calls task(begin, end) for blocks of the columns [0, num_columns).
  template <typename Task>
  void for_columns(int num_columns, int64_t cost_per_column, Task&& task) {
    constexpr int kBlock = 32;
    const int num_blocks = (num_columns + kBlock - 1) / kBlock;
    pool_.parallel_for(num_blocks, cost_per_column * kBlock, [&](int block) {
      const int begin = block * kBlock;
      task(begin, begin + kBlock < num_columns ? begin + kBlock : num_columns);
    });
  }
  // out columns [begin, end) = silu(gate) * up of rows whose projections lie in `projected`, [2 I].
  void swiglu_columns(const std::vector<const float*>& x, const std::vector<float*>& projected,
                      Matrix w, int begin, int end);

  void rotate_row(const void* from, NumberType from_type, void* to, NumberType to_type,
                  const Rotation& rotation, int token);
  cpu::ThreadPool pool_;
  const cpu::Kernels& kernels_;
  Scratch inputs_, outputs_;
};

// num_threads 0: one for each core this process may use.
std::unique_ptr<Backend> make_cpu_backend(int num_threads = 0);

}  // namespace glint
