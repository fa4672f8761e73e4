#pragma once

// The CPU backend behind what a GPU does to its caller: its memory cannot be read by the host, ops
// are done as late as they may be, and pointers of the wrong side are refused.
//
// Memory is unreadable outside of ops. Ops and copies queue up and run when something waits: so an
// output that is read too early, or an input that is overwritten too early, shows.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <type_traits>
#include <vector>

#include "backend/cpu/cpu_backend.h"

namespace glint {

class LateBackend final : public Backend {
 public:
  LateBackend();
  ~LateBackend() override;

  // Blocks until so many sample ops have been called since the start.
  void wait_for_samples(int count);

  std::string description() const override { return "late " + inner_->description(); }
  MlaForm prompt_form() const override { return inner_->prompt_form(); }

  void* allocate(size_t bytes) override;
  void free(void*) override {}  // all at the end: what was freed stays unreadable
  void upload(void* to, const void* from_host, size_t bytes) override;
  void download(void* to_host, const void* from, size_t bytes) override;
  void zero(void* data, size_t bytes) override;
  void random_normal(Matrix out, uint64_t key, int64_t begin, float sigma) override;
  void* allocate_host(size_t bytes) override;
  void free_host(void* data) override;
  void upload_async(void* to, const void* from_host, size_t bytes) override;
  void download_async(void* to_host, const void* from, size_t bytes) override;
  std::unique_ptr<Event> make_event() override;
  void seal() override;  // wait_for_samples() counts from here
  bool can_record() const override { return true; }
  std::unique_ptr<Recording> record(const std::function<void()>& ops) override;

  void resolve_sampled_ids(const StepView& step, const SampleSlot* slots,
                           TokenId* token_ids) override {
    later(&Backend::resolve_sampled_ids, step, slots, token_ids);
  }
  void embed(const StepView& step, Matrix table, Matrix out) override {
    later(&Backend::embed, step, table, out);
  }
  void gather_rows(Matrix x, RowList rows, Matrix out) override {
    later(&Backend::gather_rows, x, rows, out);
  }
  void rms_norm(Matrix x, Matrix weight, float eps, Matrix out) override {
    later(&Backend::rms_norm, x, weight, eps, out);
  }
  void add_rms_norm(Matrix delta, Matrix residual, Matrix weight, float eps, Matrix out) override {
    later(&Backend::add_rms_norm, delta, residual, weight, eps, out);
  }
  void linear(Matrix x, Matrix w, Matrix out) override { later(&Backend::linear, x, w, out); }
  void linear_swiglu(Matrix x, Matrix w, Matrix out) override {
    later(&Backend::linear_swiglu, x, w, out);
  }
  void rope_table(const StepView& step, double theta, Matrix cos_sin) override {
    later(&Backend::rope_table, step, theta, cos_sin);
  }
  void split_qkv_a(const StepView& step, Matrix qkv_a, const QkvNorms& norms,
                   const Rotation& rotation, Matrix c_q, KvPages kv) override {
    later(&Backend::split_qkv_a, step, qkv_a, norms, rotation, c_q, kv);
  }
  void rope_query(Matrix q, int num_heads, const Rotation& rotation, RowList rows) override {
    later(&Backend::rope_query, q, num_heads, rotation, rows);
  }
  void mla_absorb_query(Matrix q, MatrixStack w_uk, const Rotation& rotation, RowList rows,
                        Matrix q_row) override {
    later(&Backend::mla_absorb_query, q, w_uk, rotation, rows, q_row);
  }
  void mla_query(Matrix c_q, Matrix w_q_b, MatrixStack w_uk, const Rotation& rotation, RowList rows,
                 Matrix q, Matrix q_row) override {
    later(&Backend::mla_query, c_q, w_q_b, w_uk, rotation, rows, q, q_row);
  }
  void plan_attend(const StepView& step, RowList rows, KvPages kv) override {
    later(&Backend::plan_attend, step, rows, kv);
  }
  void mla_attend(const StepView& step, Matrix q_row, int num_heads, KvPages kv, float scale,
                  RowList rows, Matrix o_latent) override {
    later(&Backend::mla_attend, step, q_row, num_heads, kv, scale, rows, o_latent);
  }
  void mla_expand_output(Matrix o_latent, MatrixStack w_uv, RowList rows, Matrix o) override {
    later(&Backend::mla_expand_output, o_latent, w_uv, rows, o);
  }
  void mla_attend_output(const StepView& step, Matrix q_row, MatrixStack w_uv, KvPages kv,
                         float scale, RowList rows, Matrix o_latent, Matrix o) override {
    later(&Backend::mla_attend_output, step, q_row, w_uv, kv, scale, rows, o_latent, o);
  }
  void mla_attend_expanded(const StepView& step, Matrix q, MatrixStack w_uk, MatrixStack w_uv,
                           KvPages kv, float scale, RowList rows, Matrix o) override {
    later(&Backend::mla_attend_expanded, step, q, w_uk, w_uv, kv, scale, rows, o);
  }
  void route(Matrix x, Matrix w, Matrix bias, const RouterParams& params,
             Routing routing) override {
    later(&Backend::route, x, w, bias, params, routing);
  }
  void add_rms_norm_route(Matrix delta, Matrix residual, Matrix weight, float eps, Matrix out,
                          Matrix w, Matrix bias, const RouterParams& params,
                          Routing routing) override {
    later(&Backend::add_rms_norm_route, delta, residual, weight, eps, out, w, bias, params,
          routing);
  }
  void moe_gate_up(Matrix x, const Routing& routing, MatrixStack w, Matrix act) override {
    later(&Backend::moe_gate_up, x, routing, w, act);
  }
  void moe_down(Matrix act, const Routing& routing, MatrixStack w, Matrix parts) override {
    later(&Backend::moe_down, act, routing, w, parts);
  }
  void moe_combine(Matrix parts, const Routing& routing, Matrix out) override {
    later(&Backend::moe_combine, parts, routing, out);
  }
  void moe_combine_add_rms_norm(Matrix parts, const Routing& routing, Matrix residual,
                                Matrix weight, float eps, Matrix out) override {
    later(&Backend::moe_combine_add_rms_norm, parts, routing, residual, weight, eps, out);
  }
  void embed_norm_concat(const StepView& step, Matrix table, Matrix enorm, Matrix hidden,
                         Matrix hnorm, float eps, Matrix out) override {
    later(&Backend::embed_norm_concat, step, table, enorm, hidden, hnorm, eps, out);
  }
  void sample(const SampleArgs& args) override;

 private:
  friend class LateEvent;
  friend class LateRecording;

  template <typename... Parameters, typename... Arguments>
  void later(void (Backend::*op)(Parameters...), const Arguments&... arguments) {
    (check(arguments), ...);
    enqueue([this, op, arguments...] { (inner_.get()->*op)(arguments...); });
  }
  void enqueue(std::function<void()> work);
  uint64_t num_enqueued();
  void run_until(uint64_t point);  // the first so many that were enqueued

  // All that an op is given lies in this backend's memory.
  template <typename T>
  void check(const T& argument) const {
    if constexpr (std::is_pointer_v<T>) check_own(argument, 1);
  }
  void check(const StepView& step) const;
  void check(const Matrix& x) const { check_own(x.data, x.rows > 0 ? 1 : 0); }
  void check(const MatrixStack& x) const { check_own(x.data, 1); }
  void check(const RowList& rows) const {
    check_own(rows.data, 4 * static_cast<size_t>(rows.size));
  }
  void check(const KvPages& kv) const { check_own(kv.data, 1); }
  void check(const Routing& routing) const;
  void check(const SampleSlot& slot) const;
  void check_own(const void* data, size_t bytes) const;
  void check_host(const void* data, size_t bytes);

  const std::unique_ptr<Backend> inner_ = make_cpu_backend(2);
  char* const memory_;
  size_t used_ = 0;

  std::mutex mutex_;  // guards all below, and who may read the memory
  std::condition_variable changed_;
  std::map<const void*, size_t> host_blocks_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::function<void()>>* recording_ = nullptr;  // where ops go instead, if set
  uint64_t num_done_ = 0;
  int num_samples_ = 0;
};

}  // namespace glint
