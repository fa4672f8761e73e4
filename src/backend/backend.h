#pragma once

// The ops a model is made of, at the grain that a fast backend fuses, and the memory they work on.
// backend/cpu is plain and exact, and the oracle of backend/ops_test.
//
// Common to all ops:
// - Pointers are to the backend's memory. Ops allocate nothing that grows with the request count,
// do
//   not wait for the device, and run in the order of the calls.
// - Activations, weights and KV rows are BF16, or FP32, by their views. An op computes in FP32
// inside
//   and rounds once, where it stores.
// - Outputs are overwritten, whatever they held, and overlap no input unless an op says so.
// - T = 0 rows is allowed. A wrong shape is a CHECK.
// - Row rule: the bits of an output row depend on the row's own inputs alone, never on how many
// rows
//   there are. A NaN in one row stays in it.
// - Rows of a step whose token_sequence is negative are no sequence's: they fill a recorded step.
//   They write no KV row, and attend to nothing with the result 0.
// - Weights are [out_features, in_features] as in checkpoints: y = x W^T. No gaps between rows.
//
// T = rows of a step, H = attention heads, E = routed experts, S = shared experts, K = experts per
// token, I = expert width.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "backend/sample.h"
#include "backend/view.h"
#include "base/check.h"

namespace glint {

// The form in which a backend attends rows of the prompt. Decode rows are always absorbed.
enum class MlaForm {
  kAbsorbed,  // W_uk folded into the query, W_uv applied after: works on latent rows alone
  kExpanded,  // keys and values of all heads made from the latent rows
};

// How one expert is chosen for a row (transformers, Glm4MoeLiteTopkRouter).
struct RouterParams {
  int num_experts_per_tok = 0;  // K
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1.0f;
};

// The experts of each row: the routed ones, largest selection score first, of equals the lowest id,
// then the shared ones, which are experts E ... E + S - 1 with the weight 1. And the rows of each
// expert.
struct Routing {
  int num_tokens = 0;             // T
  int n_shared_experts = 0;       // S
  int experts_per_row = 0;        // K + S, below P
  int32_t* expert_ids = nullptr;  // [T, P]
  float* weights = nullptr;       // [T, P]
  int32_t* expert_begin =
      nullptr;  // [E + S + 1]: expert e's pairs are [expert_begin[e], ...[e + 1])
  int32_t* expert_pairs = nullptr;  // [T * P]: t * P + j of token t's j-th expert, ascending
};

// The norms of split_qkv_a().
struct QkvNorms {
  Matrix q;   // [1, q_lora_rank]
  Matrix kv;  // [1, kv_lora_rank]
  float eps = 0;
};

// How the last numbers of a key and of each head of a query turn: pairs (2i, 2i + 1) if
// interleaved, else (i, i + dim / 2).
struct Rotation {
  Matrix cos_sin;  // rope_table()'s, of the step's rows
  bool interleave = false;
};

class Backend;

// Owns a block of a backend's memory, aligned to 256 bytes. Move-only. The backend outlives it.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Backend& backend, size_t bytes);
  // Takes over what backend.allocate(bytes) gave: for callers that can answer "not enough".
  Buffer(Backend& backend, void* allocated, size_t bytes)
      : backend_(&backend), data_(allocated), size_(bytes) {}
  ~Buffer();
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void swap(Buffer& other) noexcept;

  Backend* backend_ = nullptr;
  void* data_ = nullptr;
  size_t size_ = 0;
};

// A point in the order of a backend's ops.
class Event {
 public:
  virtual ~Event() = default;
  virtual void record() = 0;  // the point after all ops and copies called so far
  // Until all before the recorded point is done; at once where nothing was recorded. Any thread may
  // wait while another calls ops.
  virtual void wait() = 0;
};

// Ops that a backend keeps, to start them all at once: with the pointers and sizes that they were
// called with.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void run() = 0;  // in the order of the backend's ops
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string description() const = 0;  // for a person: device, instructions, threads
  virtual MlaForm prompt_form() const = 0;      // the faster one here

  // Memory. Made at start; nothing on the request path allocates.
  virtual void* allocate(size_t bytes) = 0;  // uninitialised; null if there is not enough
  virtual void free(void* data) = 0;
  virtual void upload(void* to, const void* from_host, size_t bytes) = 0;
  virtual void download(void* to_host, const void* from,
                        size_t bytes) = 0;  // waits for the ops before
  virtual void zero(void* data, size_t bytes) = 0;
  // Random weights: element i of `out`, in row order, is sigma * random_normal(key, begin + i)
  // (backend/random_normal.h).
  virtual void random_normal(Matrix out, uint64_t key, int64_t begin, float sigma) = 0;

  // Copies in the order of the ops that wait for nothing. Their host side is memory from
  // allocate_host(): read, or written, at any time until an event that was recorded after the call
  // has happened.
  virtual void* allocate_host(size_t bytes) = 0;  // uninitialised; null if there is not enough
  virtual void free_host(void* data) = 0;
  virtual void upload_async(void* to, const void* from_host, size_t bytes) = 0;
  virtual void download_async(void* to_host, const void* from, size_t bytes) = 0;
  virtual std::unique_ptr<Event> make_event() = 0;

  // Whether starting ops one by one takes time worth saving.
  virtual bool can_record() const { return false; }
  // The ops that `ops` calls, which are not computed by this. Copies are not for it.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& /*ops*/) {
    CHECK(false, "this backend does not record");
    return {};
  }
  // From now on a step that needs more memory than the largest so far is a CHECK.
  virtual void seal() {}

  // Where token_ids[t], which is the step's own, is negative: the last id of its sequence's slot.
  virtual void resolve_sampled_ids(const StepView& step, const SampleSlot* slots,
                                   TokenId* token_ids) = 0;
  // out[t] = table[token_ids[t]].  table [vocab_size, hidden], out [T, hidden]
  virtual void embed(const StepView& step, Matrix table, Matrix out) = 0;
  // out[i] = x[rows[i]].  out [rows.size, x.cols]
  virtual void gather_rows(Matrix x, RowList rows, Matrix out) = 0;

  // out = x / sqrt(mean(x^2) + eps) * weight, one rounding.  x, out [T, n] (may be the same),
  // weight [1, n]
  virtual void rms_norm(Matrix x, Matrix weight, float eps, Matrix out) = 0;
  // residual += delta; out = rms_norm(residual). The norm sees the sum before its rounding.
  // delta, residual, out [T, n]
  virtual void add_rms_norm(Matrix delta, Matrix residual, Matrix weight, float eps,
                            Matrix out) = 0;

  // out = x w^T.  x [T, in], w [out, in], out [T, out] of any type
  virtual void linear(Matrix x, Matrix w, Matrix out) = 0;
  // out = silu(x w_gate^T) * (x w_up^T).  w [2 I, in]: gate rows, then up rows; out [T, I]
  virtual void linear_swiglu(Matrix x, Matrix w, Matrix out) = 0;

  // cos and sin of positions[t] * theta^(-2i / dim), the angle in FP64.
  // cos_sin [T, dim] FP32: dim / 2 cosines, then dim / 2 sines
  virtual void rope_table(const StepView& step, double theta, Matrix cos_sin) = 0;
  // Parts the first projection of attention, q_a | kv_a: c_q = rms_norm(q_a), and each token's KV
  // row = rms_norm(kv_a[:kv_lora_rank]) | rope(kv_a[kv_lora_rank:]).
  // qkv_a [T, q_lora_rank + kv_row], c_q [T, q_lora_rank]
  virtual void split_qkv_a(const StepView& step, Matrix qkv_a, const QkvNorms& norms,
                           const Rotation& rotation, Matrix c_q, KvPages kv) = 0;
  // Rotates the last numbers of every head of q in place, in the listed rows.
  // q [T, H * qk_head_dim]
  virtual void rope_query(Matrix q, int num_heads, const Rotation& rotation, RowList rows) = 0;

  // The query in the terms of a KV row: q_nope[h] W_uk[h] | rope(q_pe[h]), for the listed rows.
  // q [T, H * qk_head_dim], w_uk [H, kv_lora_rank, qk_nope_head_dim] (each head's part of kv_b_proj
  // transposed), q_row [T, H * kv_row]
  virtual void mla_absorb_query(Matrix q, MatrixStack w_uk, const Rotation& rotation, RowList rows,
                                Matrix q_row) = 0;
  // Both products of the query, where no row is attended in the expanded form: q = c_q w_q_b^T,
  // then mla_absorb_query(). `rows` lists all of them, in order. q may be left as it was. c_q [T,
  // q_lora_rank], w_q_b [H * qk_head_dim, q_lora_rank], q [T, H * qk_head_dim]
  virtual void mla_query(Matrix c_q, Matrix w_q_b, MatrixStack w_uk, const Rotation& rotation,
                         RowList rows, Matrix q, Matrix q_row) {
    linear(c_q, w_q_b, q);
    mla_absorb_query(q, w_uk, rotation, rows, q_row);
  }
  // Before the first mla_attend() of these rows in a step: how their work is split, which is the
  // same in every layer. `kv` is any layer's.
  virtual void plan_attend(const StepView& /*step*/, RowList /*rows*/, KvPages /*kv*/) {}
  // Absorbed attention of the listed rows to their sequences' rows up to themselves, of which those
  // before a sequence's first row in this step are as they were when the step began:
  // o_latent[h] = softmax(scale q_row[h] . kv^T) kv[:, :kv_lora_rank].  o_latent [T, H *
  // kv_lora_rank]
  virtual void mla_attend(const StepView& step, Matrix q_row, int num_heads, KvPages kv,
                          float scale, RowList rows, Matrix o_latent) = 0;
  // o[h] = o_latent[h] W_uv[h]^T for the listed rows.  w_uv [H, v_head_dim, kv_lora_rank], o [T, H
  // * v_head_dim]
  virtual void mla_expand_output(Matrix o_latent, MatrixStack w_uv, RowList rows, Matrix o) = 0;
  // The two above. o_latent may be left as it was.
  virtual void mla_attend_output(const StepView& step, Matrix q_row, MatrixStack w_uv, KvPages kv,
                                 float scale, RowList rows, Matrix o_latent, Matrix o) {
    mla_attend(step, q_row, w_uv.count, kv, scale, rows, o_latent);
    mla_expand_output(o_latent, w_uv, rows, o);
  }
  // The expanded form, from mla_absorb_query() on: k[h] = W_uk[h] latent | k_pe, v[h] = W_uv[h]
  // latent, o[h] = softmax(scale q[h] . k[h]^T) v[h].  q after rope_query; w_uk, w_uv, o as above.
  // The rows are those of step.prompts, which fast paths go by; others take any rows
  virtual void mla_attend_expanded(const StepView& step, Matrix q, MatrixStack w_uk,
                                   MatrixStack w_uv, KvPages kv, float scale, RowList rows,
                                   Matrix o) = 0;

  // s = sigmoid(x w^T) in FP32. Chooses the K largest of s + bias; their weights are s without the
  // bias, over their sum if norm_topk_prob, times routed_scaling_factor. The shared experts follow.
  // x [T, hidden], w [E, hidden] of any type, bias [1, E] FP32
  virtual void route(Matrix x, Matrix w, Matrix bias, const RouterParams& params,
                     Routing routing) = 0;
  // add_rms_norm(), then route() of its `out`, bit for bit.
  virtual void add_rms_norm_route(Matrix delta, Matrix residual, Matrix weight, float eps,
                                  Matrix out, Matrix w, Matrix bias, const RouterParams& params,
                                  Routing routing) {
    add_rms_norm(delta, residual, weight, eps, out);
    route(out, w, bias, params, routing);
  }
  // linear_swiglu of each row with each of its experts. Rows of an expert lie side by side: row i
  // of act is of the pair expert_pairs[i]. x [T, hidden], w [E + S, 2 I, hidden], act [T * P, I]
  virtual void moe_gate_up(Matrix x, const Routing& routing, MatrixStack w, Matrix act) = 0;
  // parts = linear of each row of act, which lies as moe_gate_up() leaves it, with its expert.
  // act [T * P, I], w [E + S, hidden, I], parts [T * P, hidden]: row t * P + j is of token t's j-th
  // expert
  virtual void moe_down(Matrix act, const Routing& routing, MatrixStack w, Matrix parts) = 0;
  // out = sum over j of weights[t, j] parts[t * P + j], in FP32 in the order of j.
  // parts [T * P, hidden], out [T, hidden] of the same type
  virtual void moe_combine(Matrix parts, const Routing& routing, Matrix out) = 0;
  // add_rms_norm() of what moe_combine() gives, bit for bit.
  virtual void moe_combine_add_rms_norm(Matrix parts, const Routing& routing, Matrix residual,
                                        Matrix weight, float eps, Matrix out) = 0;

  // rms_norm(table[token_ids[t]]; enorm) | rms_norm(hidden[t]; hnorm): what the MTP layer's eh_proj
  // takes.  table [vocab_size, hidden], out [T, 2 hidden]
  virtual void embed_norm_concat(const StepView& step, Matrix table, Matrix enorm, Matrix hidden,
                                 Matrix hnorm, float eps, Matrix out) = 0;

  // backend/sample.h
  virtual void sample(const SampleArgs& args) = 0;
};

// Owns memory from allocate_host().
struct HostMemoryDeleter {
  Backend* backend = nullptr;
  void operator()(void* data) const { backend->free_host(data); }
};
using HostBuffer = std::unique_ptr<void, HostMemoryDeleter>;

inline HostBuffer make_host_buffer(Backend& backend, size_t bytes) {
  HostBuffer buffer(backend.allocate_host(bytes), {&backend});
  CHECK(buffer != nullptr || bytes == 0, "no host memory for ", bytes, " bytes");
  return buffer;
}

inline Buffer::Buffer(Backend& backend, size_t bytes)
    : backend_(&backend), data_(backend.allocate(bytes)), size_(bytes) {
  CHECK(data_ != nullptr || bytes == 0, "no memory for ", bytes, " bytes");
}

inline Buffer::~Buffer() {
  if (data_ != nullptr) backend_->free(data_);
}

inline void Buffer::swap(Buffer& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
}

}  // namespace glint
