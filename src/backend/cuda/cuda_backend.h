#pragma once

// The CUDA backend: every op on one GPU, in one stream. Kernels are in the .cu files beside this,
// an op's own in the file named after it.
//
// General kernels take any size, in FP32 and BF16. The model's sizes in BF16 have fast paths. Which
// of them an op takes may depend on the number of rows too: all give a row the same bits (the row
// rule).

#include <memory>
#include <string>

#include "backend/backend.h"
#include "backend/cuda/attention_prefill.h"
#include "backend/cuda/device.h"
#include "backend/cuda/gemm.h"
#include "base/result.h"

namespace glint {

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int device);
  ~CudaBackend() override;

  std::string description() const override { return description_; }
  MlaForm prompt_form() const override { return MlaForm::kExpanded; }

  void* allocate(size_t bytes) override;
  void free(void* data) override;
  void upload(void* to, const void* from_host, size_t bytes) override;
  void download(void* to_host, const void* from, size_t bytes) override;
  void zero(void* data, size_t bytes) override;
  void random_normal(Matrix out, uint64_t key, int64_t begin, float sigma) override;
  void* allocate_host(size_t bytes) override;
  void free_host(void* data) override;
  void upload_async(void* to, const void* from_host, size_t bytes) override;
  void download_async(void* to_host, const void* from, size_t bytes) override;
  std::unique_ptr<Event> make_event() override;
  bool can_record() const override { return true; }
  std::unique_ptr<Recording> record(const std::function<void()>& ops) override;
  void seal() override { sealed_ = true; }

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
  void mla_query(Matrix c_q, Matrix w_q_b, MatrixStack w_uk, const Rotation& rotation, RowList rows,
                 Matrix q, Matrix q_row) override;
  void plan_attend(const StepView& step, RowList rows, KvPages kv) override;
  void mla_attend(const StepView& step, Matrix q_row, int num_heads, KvPages kv, float scale,
                  RowList rows, Matrix o_latent) override;
  void mla_expand_output(Matrix o_latent, MatrixStack w_uv, RowList rows, Matrix o) override;
  void mla_attend_output(const StepView& step, Matrix q_row, MatrixStack w_uv, KvPages kv,
                         float scale, RowList rows, Matrix o_latent, Matrix o) override;
  void mla_attend_expanded(const StepView& step, Matrix q, MatrixStack w_uk, MatrixStack w_uv,
                           KvPages kv, float scale, RowList rows, Matrix o) override;
  void route(Matrix x, Matrix w, Matrix bias, const RouterParams& params, Routing routing) override;
  void add_rms_norm_route(Matrix delta, Matrix residual, Matrix weight, float eps, Matrix out,
                          Matrix w, Matrix bias, const RouterParams& params,
                          Routing routing) override;
  void moe_gate_up(Matrix x, const Routing& routing, MatrixStack w, Matrix act) override;
  void moe_down(Matrix act, const Routing& routing, MatrixStack w, Matrix parts) override;
  void moe_combine(Matrix parts, const Routing& routing, Matrix out) override;
  void moe_combine_add_rms_norm(Matrix parts, const Routing& routing, Matrix residual,
                                Matrix weight, float eps, Matrix out) override;
  void embed_norm_concat(const StepView& step, Matrix table, Matrix enorm, Matrix hidden,
                         Matrix hnorm, float eps, Matrix out) override;
  void sample(const SampleArgs& args) override;

  // For tests: of how many context rows the expanded form has keys and values at once.
  void set_prefill_block_rows(int rows) { prefill_block_rows_ = rows; }

 private:
  void gemm(const cuda::GemmArgs& args);
  void bring_rows_together(const Routing& routing, cuda::GemmArgs& args);
  void route_logits(Matrix x, Matrix w, float* logits);

  std::string description_;
  int num_sms_ = 0;
  cuda::Stream stream_;
  bool sealed_ = false;  // scratch may not grow any more
  cuda::TensorMaps tensor_maps_;
  RowList planned_rows_;  // of plan_attend(), whose plan is in plan_scratch_
  cuda::Scratch plan_scratch_;
  const int32_t* settled_begin_ = nullptr;  // GemmArgs::begin_is_settled, of the last moe_gate_up()
  cuda::Counter finished_clusters_;         // of add_rms_norm_route()
  cuda::Scratch attention_scratch_, moe_scratch_, expert_rows_scratch_;
  cuda::Scratch prefill_scratch_, prefill_state_scratch_;
  int prefill_block_rows_ = cuda::kPrefillBlockRows;
};

// What the GPU in use has, as of now. Of the used memory, what a CUDA process takes to start with
// is this one's own.
struct CudaMemory {
  std::string gpu_name;
  int64_t total_bytes = 0;
  int64_t used_by_others_bytes = 0;
};
CudaMemory cuda_memory();

// kStartup, with what was found and what is needed, where the driver, the GPU or its memory will
// not do. `device` counts from 0 among the GPUs that CUDA_VISIBLE_DEVICES leaves.
Result<std::unique_ptr<Backend>> make_cuda_backend(int device = 0);

}  // namespace glint
