#include "bench/op_cases.h"

#include <algorithm>
#include <cmath>

namespace glint {
namespace {

constexpr double kRotatedBytes = 256e6;  // several times the largest cache
constexpr double kMaxCopiesBytes = 2e9;
constexpr double kMaxCopies = 256;
constexpr float kEps = 1e-5f;

int num_copies(double bytes, double bytes_read) {
  const double wanted = std::ceil(kRotatedBytes / std::max(bytes_read, 1.0));
  return static_cast<int>(std::clamp(std::min(wanted, kMaxCopiesBytes / bytes), 1.0, kMaxCopies));
}

int64_t aligned(int64_t bytes) { return (bytes + 255) / 256 * 256; }

template <typename T>
const T& turn(const std::vector<T>& copies, int i) {
  return copies[static_cast<size_t>(i) % copies.size()];
}

template <typename T>
int count(const std::vector<T>& copies) {
  return static_cast<int>(copies.size());
}

}  // namespace

float OpCases::scale() const {
  return static_cast<float>(1 / std::sqrt(static_cast<double>(config_.qk_head_dim())));
}

char* OpCases::allocate(int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  void* data = backend_.allocate(size);
  if (data == nullptr) {
    out_of_memory_ = true;
    return nullptr;
  }
  buffers_.emplace_back(backend_, data, size);
  return static_cast<char*>(data);
}

Matrix OpCases::output(int num_rows, int cols, NumberType type) {
  return contiguous(allocate(int64_t{num_rows} * cols * bytes_per_number(type)), type, num_rows,
                    cols);
}

Matrix OpCases::input(int num_rows, int cols, NumberType type) {
  const Matrix x = output(num_rows, cols, type);
  const int64_t bytes = int64_t{num_rows} * cols * bytes_per_number(type);
  if (x.data != nullptr) memory_.activations.fill(backend_, x.data, bytes);
  return x;
}

std::vector<MatrixStack> OpCases::weights(int stack, int num_rows, int cols, double share_read) {
  constexpr NumberType kType = NumberType::kBf16;
  const int64_t bytes = aligned(int64_t{stack} * num_rows * cols * bytes_per_number(kType));
  const auto size = static_cast<double>(bytes);
  std::vector<MatrixStack> copies(static_cast<size_t>(num_copies(size, size * share_read)));
  char* data = memory_.weights.at_least(bytes * count(copies));
  out_of_memory_ |= data == nullptr;
  for (size_t i = 0; i < copies.size() && data != nullptr; ++i)
    copies[i] = {data + static_cast<int64_t>(i) * bytes, kType, stack, num_rows, cols};
  return copies;
}

std::vector<Matrix> OpCases::weights(int num_rows, int cols) {
  std::vector<Matrix> copies;
  for (const MatrixStack& stack : weights(1, num_rows, cols)) copies.push_back(stack[0]);
  return copies;
}

std::vector<KvPages> OpCases::kv_pages() {
  const int64_t page = int64_t{kBenchPageSize} * config_.kv_row() * 2;
  const int64_t bytes = aligned(step_.num_pages() * page);
  const auto size = static_cast<double>(bytes);
  std::vector<KvPages> copies(static_cast<size_t>(num_copies(size, size)));
  char* data = memory_.cache.at_least(bytes * count(copies));
  out_of_memory_ |= data == nullptr;
  for (size_t i = 0; i < copies.size() && data != nullptr; ++i)
    copies[i] = {data + static_cast<int64_t>(i) * bytes, NumberType::kBf16, step_.num_pages(),
                 kBenchPageSize, config_.kv_row()};
  return copies;
}

OpCase OpCases::resolve_sampled_ids() {
  SampleSlot* slots = array<SampleSlot>(rows());
  const std::vector<SampleSlot> host(static_cast<size_t>(rows()));
  if (slots != nullptr) backend_.upload(slots, host.data(), host.size() * sizeof(SampleSlot));
  return {.call = [=, this](int) {
    backend_.resolve_sampled_ids(step_.view(), slots, step_.sampled_ids());
  }};
}

OpCase OpCases::embed() {
  const auto table = weights(config_.vocab_size, config_.hidden_size);
  const Matrix out = output(rows(), config_.hidden_size);
  return {.num_copies = count(table),
          .call = [=, this](int i) { backend_.embed(step_.view(), turn(table, i), out); }};
}

OpCase OpCases::gather_rows() {
  const Matrix x = input(rows(), config_.hidden_size), out = output(rows(), config_.hidden_size);
  return {.call = [=, this](int) { backend_.gather_rows(x, step_.all_rows(), out); }};
}

OpCase OpCases::rms_norm(int n) {
  const Matrix x = input(rows(), n), weight = input(1, n), out = output(rows(), n);
  return {.call = [=, this](int) { backend_.rms_norm(x, weight, kEps, out); }};
}

OpCase OpCases::add_rms_norm() {
  const int n = config_.hidden_size;
  const Matrix delta = input(rows(), n), residual = input(rows(), n), weight = input(1, n);
  const Matrix out = output(rows(), n);
  return {.call = [=, this](int) { backend_.add_rms_norm(delta, residual, weight, kEps, out); }};
}

OpCase OpCases::linear(int in, int out, NumberType out_type) {
  const auto w = weights(out, in);
  const Matrix x = input(rows(), in), y = output(rows(), out, out_type);
  return {.num_copies = count(w), .call = [=, this](int i) { backend_.linear(x, turn(w, i), y); }};
}

OpCase OpCases::linear_swiglu(int width) {
  const auto w = weights(2 * width, config_.hidden_size);
  const Matrix x = input(rows(), config_.hidden_size), y = output(rows(), width);
  return {.num_copies = count(w),
          .call = [=, this](int i) { backend_.linear_swiglu(x, turn(w, i), y); }};
}

OpCase OpCases::rope_table() {
  const Matrix out = output(rows(), config_.qk_rope_head_dim, NumberType::kF32);
  return {.call = [=, this](int) { backend_.rope_table(step_.view(), config_.rope_theta, out); }};
}

OpCase OpCases::rope_query() {
  const int heads = config_.num_attention_heads;
  const Matrix q = input(rows(), heads * config_.qk_head_dim());
  const Rotation rotation{cos_sin(), config_.rope_interleave};
  return {.call = [=, this](int) { backend_.rope_query(q, heads, rotation, step_.all_rows()); }};
}

OpCase OpCases::split_qkv_a() {
  const auto kv = kv_pages();
  const Matrix qkv_a = input(rows(), config_.q_lora_rank + config_.kv_row());
  const QkvNorms norms{input(1, config_.q_lora_rank), input(1, config_.kv_lora_rank), kEps};
  const Matrix c_q = output(rows(), config_.q_lora_rank);
  const Rotation rotation{cos_sin(), config_.rope_interleave};
  return {.num_copies = count(kv), .call = [=, this](int i) {
            backend_.split_qkv_a(step_.view(), qkv_a, norms, rotation, c_q, turn(kv, i));
          }};
}

OpCase OpCases::mla_absorb_query() {
  const int heads = config_.num_attention_heads;
  const auto w = weights(heads, config_.kv_lora_rank, config_.qk_nope_head_dim);
  const Matrix q = input(rows(), heads * config_.qk_head_dim());
  const Matrix q_row = output(rows(), heads * config_.kv_row());
  const Rotation rotation{cos_sin(), config_.rope_interleave};
  return {.num_copies = count(w), .call = [=, this](int i) {
            backend_.mla_absorb_query(q, turn(w, i), rotation, step_.all_rows(), q_row);
          }};
}

// Both weights lie in the arena together.
OpCase OpCases::mla_query() {
  const int heads = config_.num_attention_heads, q_rank = config_.q_lora_rank;
  const int latent = config_.kv_lora_rank, nope = config_.qk_nope_head_dim;
  const int64_t q_b_numbers = int64_t{heads} * config_.qk_head_dim() * q_rank;
  const int64_t w_uk_numbers = int64_t{heads} * latent * nope;
  const auto both = weights(1, static_cast<int>((q_b_numbers + w_uk_numbers) / nope), nope);
  const Matrix c_q = input(rows(), q_rank), q = output(rows(), heads * config_.qk_head_dim());
  const Matrix q_row = output(rows(), heads * config_.kv_row());
  const Rotation rotation{cos_sin(), config_.rope_interleave};
  return {.num_copies = count(both), .call = [=, this](int i) {
            auto* data = static_cast<char*>(turn(both, i).data);
            const Matrix w_q_b =
                contiguous(data, NumberType::kBf16, heads * config_.qk_head_dim(), q_rank);
            const MatrixStack w_uk{data + 2 * q_b_numbers, NumberType::kBf16, heads, latent, nope};
            backend_.mla_query(c_q, w_q_b, w_uk, rotation, step_.all_rows(), q, q_row);
          }};
}

OpCase OpCases::plan_attend() {
  const KvPages kv = kv_pages()[0];
  return {.call = [=, this](int) { backend_.plan_attend(step_.view(), step_.all_rows(), kv); }};
}

// Planned once, as in a step, whose layers are this op's calls.
OpCase OpCases::mla_attend() {
  const int heads = config_.num_attention_heads;
  const auto kv = kv_pages();
  const Matrix q_row = input(rows(), heads * config_.kv_row());
  const Matrix o_latent = output(rows(), heads * config_.kv_lora_rank);
  if (!out_of_memory_) backend_.plan_attend(step_.view(), step_.all_rows(), kv[0]);
  return {.num_copies = count(kv), .call = [=, this](int i) {
            backend_.mla_attend(step_.view(), q_row, heads, turn(kv, i), scale(), step_.all_rows(),
                                o_latent);
          }};
}

OpCase OpCases::mla_expand_output() {
  const int heads = config_.num_attention_heads;
  const auto w = weights(heads, config_.v_head_dim, config_.kv_lora_rank);
  const Matrix o_latent = input(rows(), heads * config_.kv_lora_rank);
  const Matrix o = output(rows(), heads * config_.v_head_dim);
  return {.num_copies = count(w), .call = [=, this](int i) {
            backend_.mla_expand_output(o_latent, turn(w, i), step_.all_rows(), o);
          }};
}

OpCase OpCases::mla_attend_output() {
  const int heads = config_.num_attention_heads;
  const auto kv = kv_pages();
  const auto w = weights(heads, config_.v_head_dim, config_.kv_lora_rank);
  const Matrix q_row = input(rows(), heads * config_.kv_row());
  const Matrix o_latent = output(rows(), heads * config_.kv_lora_rank);
  const Matrix o = output(rows(), heads * config_.v_head_dim);
  if (!out_of_memory_) backend_.plan_attend(step_.view(), step_.all_rows(), kv[0]);
  return {.num_copies = std::max(count(kv), count(w)), .call = [=, this](int i) {
            backend_.mla_attend_output(step_.view(), q_row, turn(w, i), turn(kv, i), scale(),
                                       step_.all_rows(), o_latent, o);
          }};
}

// Both weights lie in the arena together.
OpCase OpCases::mla_attend_expanded() {
  const int heads = config_.num_attention_heads, latent = config_.kv_lora_rank;
  const int nope = config_.qk_nope_head_dim, v_dim = config_.v_head_dim;
  const auto kv = kv_pages();
  const auto both = weights(heads, nope + v_dim, latent);
  const Matrix q = input(rows(), heads * config_.qk_head_dim());
  const Matrix o = output(rows(), heads * v_dim);
  return {.num_copies = std::max(count(kv), count(both)),
          .call =
              [=, this](int i) {
                auto* data = static_cast<char*>(turn(both, i).data);
                const MatrixStack w_uk{data, NumberType::kBf16, heads, latent, nope};
                const MatrixStack w_uv{data + int64_t{2} * heads * latent * nope, NumberType::kBf16,
                                       heads, v_dim, latent};
                backend_.mla_attend_expanded(step_.view(), q, w_uk, w_uv, turn(kv, i), scale(),
                                             step_.all_rows(), o);
              },
          .can_be_recorded = false};  // steps with prompts are not
}

RouterParams OpCases::router_params() const {
  return {.num_experts_per_tok = config_.num_experts_per_tok,
          .norm_topk_prob = config_.norm_topk_prob,
          .routed_scaling_factor = config_.routed_scaling_factor};
}

Routing OpCases::unrouted() {
  const int64_t pairs = int64_t{rows()} * config_.experts_per_row();
  return {.num_tokens = rows(),
          .n_shared_experts = config_.n_shared_experts,
          .experts_per_row = config_.experts_per_row(),
          .expert_ids = array<int32_t>(pairs),
          .weights = array<float>(pairs),
          .expert_begin = array<int32_t>(config_.num_experts() + 1),
          .expert_pairs = array<int32_t>(pairs)};
}

OpCase OpCases::route() {
  const int experts = config_.n_routed_experts;
  const auto w = weights(experts, config_.hidden_size);
  const Matrix x = input(rows(), config_.hidden_size);
  const Matrix bias = input(1, experts, NumberType::kF32);
  const Routing routing = unrouted();
  return {.num_copies = count(w), .call = [=, this](int i) {
            backend_.route(x, turn(w, i), bias, router_params(), routing);
          }};
}

OpCase OpCases::add_rms_norm_route() {
  const int n = config_.hidden_size, experts = config_.n_routed_experts;
  const auto w = weights(experts, n);
  const Matrix delta = input(rows(), n), residual = input(rows(), n), weight = input(1, n);
  const Matrix out = output(rows(), n), bias = input(1, experts, NumberType::kF32);
  const Routing routing = unrouted();
  return {.num_copies = count(w), .call = [=, this](int i) {
            backend_.add_rms_norm_route(delta, residual, weight, kEps, out, turn(w, i), bias,
                                        router_params(), routing);
          }};
}

OpCase OpCases::moe_gate_up() {
  const int experts = config_.num_experts(), width = config_.moe_intermediate_size;
  const auto w =
      weights(experts, 2 * width, config_.hidden_size, step_.size().experts_hit / experts);
  const Matrix x = input(rows(), config_.hidden_size);
  const Matrix act = output(rows() * config_.experts_per_row(), width);
  return {.num_copies = count(w) * step_.num_routings(), .call = [=, this](int i) {
            backend_.moe_gate_up(x, step_.routing(i / count(w)), turn(w, i), act);
          }};
}

OpCase OpCases::moe_down() {
  const int experts = config_.num_experts(), width = config_.moe_intermediate_size;
  const int hidden = config_.hidden_size, pairs = rows() * config_.experts_per_row();
  const auto w = weights(experts, hidden, width, step_.size().experts_hit / experts);
  const Matrix act = input(pairs, width), parts = output(pairs, hidden);
  return {.num_copies = count(w) * step_.num_routings(), .call = [=, this](int i) {
            backend_.moe_down(act, step_.routing(i / count(w)), turn(w, i), parts);
          }};
}

OpCase OpCases::moe_combine() {
  const int n = config_.hidden_size;
  const Matrix parts = input(rows() * config_.experts_per_row(), n), out = output(rows(), n);
  return {.call = [=, this](int) { backend_.moe_combine(parts, step_.routing(0), out); }};
}

OpCase OpCases::moe_combine_add_rms_norm() {
  const int n = config_.hidden_size;
  const Matrix parts = input(rows() * config_.experts_per_row(), n);
  const Matrix residual = input(rows(), n), weight = input(1, n), out = output(rows(), n);
  return {.call = [=, this](int) {
    backend_.moe_combine_add_rms_norm(parts, step_.routing(0), residual, weight, kEps, out);
  }};
}

OpCase OpCases::embed_norm_concat() {
  const int n = config_.hidden_size;
  const auto table = weights(config_.vocab_size, n);
  const Matrix hidden = input(rows(), n), enorm = input(1, n), hnorm = input(1, n);
  const Matrix out = output(rows(), 2 * n);
  return {.num_copies = count(table), .call = [=, this](int i) {
            backend_.embed_norm_concat(step_.view(), turn(table, i), enorm, hidden, hnorm, kEps,
                                       out);
          }};
}

OpCase OpCases::sample(float temperature, float top_p) {
  std::vector<SampleSlot> host(static_cast<size_t>(rows()));
  for (size_t i = 0; i < host.size(); ++i) {
    host[i].temperature = temperature;
    host[i].top_p = top_p;
    host[i].seed = i;
  }
  const Matrix logits = input(rows(), config_.vocab_size, NumberType::kF32);
  SampleSlot* slots = array<SampleSlot>(rows());
  if (slots != nullptr) backend_.upload(slots, host.data(), host.size() * sizeof(SampleSlot));
  const SampleArgs args{.logits = static_cast<const float*>(logits.data),
                        .num_rows = rows(),
                        .vocab_size = config_.vocab_size,
                        .num_valid_tokens = config_.vocab_size,
                        .slots = slots,
                        .row_slots = step_.slots(),
                        .ids = array<TokenId>(rows()),
                        .bad_numbers = array<uint8_t>(rows()),
                        .logprobs = array<float>(rows()),
                        .top_ids = array<TokenId>(rows()),
                        .top_logprobs = array<float>(rows())};
  return {.call = [=, this](int) { backend_.sample(args); }};
}

}  // namespace glint
