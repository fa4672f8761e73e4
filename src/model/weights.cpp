#include "model/weights.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "model/weight_upload.h"

namespace glint {
namespace {

constexpr int64_t kAlignment = 256;  // bytes: what Backend::allocate gives, for every matrix

// Walks over all weights twice: first to measure the arena, then to have it filled.
class Loader {
 public:
  Loader(Backend& backend, const ModelConfig& config, const WeightSource& source,
         NumberType compute)
      : backend_(backend), config_(config), source_(source), compute_(compute) {}

  ModelWeights walk(bool with_mtp);
  int64_t used_bytes() const { return used_bytes_; }
  void fill(void* arena, WeightUpload& upload) {
    arena_ = static_cast<char*>(arena);
    upload_ = &upload;
    used_bytes_ = 0;
  }

 private:
  Matrix reserve(int rows, int cols, NumberType type);
  MatrixStack reserve_stack(int count, int rows, int cols);
  void put(Matrix to, const std::string& name, int64_t begin = 0);
  Matrix matrix(const std::string& name, int rows, int cols);
  Matrix matrix_f32(const std::string& name, int rows, int cols);
  Matrix router(const std::string& name, int rows, int cols);
  Matrix stacked(const std::string& first, int first_rows, const std::string& second,
                 int second_rows, int cols);

  AttentionWeights attention(const std::string& prefix);
  void split_kv_b(const std::string& name, AttentionWeights& weights);
  MlpWeights mlp(const std::string& prefix, int width);
  MoeWeights moe(const std::string& prefix);
  void shared_experts(const std::string& prefix, MoeWeights& weights);
  LayerWeights layer(int index);
  MtpWeights mtp(const ModelWeights& model);

  Backend& backend_;
  const ModelConfig& config_;
  const WeightSource& source_;
  const NumberType compute_;
  char* arena_ = nullptr;           // null while measuring
  WeightUpload* upload_ = nullptr;  // likewise
  int64_t used_bytes_ = 0;
};

Matrix Loader::reserve(int rows, int cols, NumberType type) {
  char* data = arena_ == nullptr ? nullptr : arena_ + used_bytes_;
  const int64_t bytes = int64_t{rows} * cols * bytes_per_number(type);
  used_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return contiguous(data, type, rows, cols);
}

MatrixStack Loader::reserve_stack(int count, int rows, int cols) {
  const Matrix all = reserve(count * rows, cols, compute_);
  return {all.data, compute_, count, rows, cols};
}

// Fills `to` with the tensor's elements from `begin` on.
void Loader::put(Matrix to, const std::string& name, int64_t begin) {
  if (arena_ == nullptr) return;
  if (const auto random = source_.random(name))
    backend_.random_normal(to, random->key, begin, random->sigma);
  else
    upload_->put(to, name, begin);
}

Matrix Loader::matrix(const std::string& name, int rows, int cols) {
  const Matrix to = reserve(rows, cols, compute_);
  put(to, name);
  return to;
}

Matrix Loader::matrix_f32(const std::string& name, int rows, int cols) {
  const Matrix to = reserve(rows, cols, NumberType::kF32);
  put(to, name);
  return to;
}

// The router computes in FP32: its weights are narrowed only where that changes no number.
Matrix Loader::router(const std::string& name, int rows, int cols) {
  const bool narrow = compute_ == NumberType::kBf16 && source_.is_bf16(name);
  return narrow ? matrix(name, rows, cols) : matrix_f32(name, rows, cols);
}

Matrix Loader::stacked(const std::string& first, int first_rows, const std::string& second,
                       int second_rows, int cols) {
  const Matrix to = reserve(first_rows + second_rows, cols, compute_);
  put(to.first_rows(first_rows), first);
  put(contiguous(to.at(first_rows, 0), compute_, second_rows, cols), second);
  return to;
}

// kv_b_proj [H * (nope + v), kv_lora_rank]: per head first the rows of W_uk, then those of W_uv.
void Loader::split_kv_b(const std::string& name, AttentionWeights& weights) {
  const int heads = config_.num_attention_heads, latent = config_.kv_lora_rank;
  const int nope = config_.qk_nope_head_dim, v = config_.v_head_dim;
  weights.w_uk = reserve_stack(heads, latent, nope);
  weights.w_uv = reserve_stack(heads, v, latent);
  if (arena_ == nullptr) return;
  for (int h = 0; h < heads; ++h) {
    const int64_t begin = int64_t{h} * (nope + v) * latent;
    if (source_.random(name))  // what is random needs no transposing
      put(weights.w_uk[h], name, begin);
    else
      upload_->put_transposed(weights.w_uk[h], name, begin);
    put(weights.w_uv[h], name, begin + int64_t{nope} * latent);
  }
}

AttentionWeights Loader::attention(const std::string& prefix) {
  const ModelConfig& c = config_;
  AttentionWeights w;
  w.qkv_a = stacked(prefix + "q_a_proj.weight", c.q_lora_rank, prefix + "kv_a_proj_with_mqa.weight",
                    c.kv_row(), c.hidden_size);
  w.q_a_layernorm = matrix(prefix + "q_a_layernorm.weight", 1, c.q_lora_rank);
  w.q_b =
      matrix(prefix + "q_b_proj.weight", c.num_attention_heads * c.qk_head_dim(), c.q_lora_rank);
  w.kv_a_layernorm = matrix(prefix + "kv_a_layernorm.weight", 1, c.kv_lora_rank);
  split_kv_b(prefix + "kv_b_proj.weight", w);
  w.o_proj = matrix(prefix + "o_proj.weight", c.hidden_size, c.num_attention_heads * c.v_head_dim);
  return w;
}

MlpWeights Loader::mlp(const std::string& prefix, int width) {
  MlpWeights w;
  w.gate_up = stacked(prefix + "gate_proj.weight", width, prefix + "up_proj.weight", width,
                      config_.hidden_size);
  w.down = matrix(prefix + "down_proj.weight", config_.hidden_size, width);
  return w;
}

MoeWeights Loader::moe(const std::string& prefix) {
  const int experts = config_.n_routed_experts, hidden = config_.hidden_size;
  const int width = config_.moe_intermediate_size;
  MoeWeights w;
  w.gate = router(prefix + "gate.weight", experts, hidden);
  w.bias = matrix_f32(prefix + "gate.e_score_correction_bias", 1, experts);
  w.gate_up = reserve_stack(config_.num_experts(), 2 * width, hidden);
  w.down = reserve_stack(config_.num_experts(), hidden, width);
  const bool is_stacked = source_.has(prefix + "experts.gate_up_proj");
  const int64_t size = int64_t{hidden} * width;
  for (int e = 0; e < experts; ++e) {
    if (is_stacked) {
      put(w.gate_up[e], prefix + "experts.gate_up_proj", 2 * size * e);
      put(w.down[e], prefix + "experts.down_proj", size * e);
      continue;
    }
    const std::string expert = prefix + "experts." + std::to_string(e) + ".";
    const Matrix gate_up = w.gate_up[e];
    put(gate_up.first_rows(width), expert + "gate_proj.weight");
    put(contiguous(gate_up.at(width, 0), compute_, width, hidden), expert + "up_proj.weight");
    put(w.down[e], expert + "down_proj.weight");
  }
  shared_experts(prefix + "shared_experts.", w);
  return w;
}

// Expert s of them has the rows [s I, (s + 1) I) of gate_proj and up_proj, and these columns of
// down_proj.
void Loader::shared_experts(const std::string& prefix, MoeWeights& weights) {
  const int hidden = config_.hidden_size, width = config_.moe_intermediate_size;
  const int count = config_.n_shared_experts;
  for (int s = 0; s < count; ++s) {
    const Matrix gate_up = weights.gate_up[config_.n_routed_experts + s];
    const Matrix down = weights.down[config_.n_routed_experts + s];
    const int64_t begin = int64_t{s} * width * hidden;
    put(gate_up.first_rows(width), prefix + "gate_proj.weight", begin);
    put(contiguous(gate_up.at(width, 0), compute_, width, hidden), prefix + "up_proj.weight",
        begin);
    if (count == 1) put(down, prefix + "down_proj.weight");
    for (int row = 0; count > 1 && row < hidden; ++row)
      put(contiguous(down.at(row, 0), compute_, 1, width), prefix + "down_proj.weight",
          (int64_t{row} * count + s) * width);
  }
}

LayerWeights Loader::layer(int index) {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  LayerWeights w;
  w.input_layernorm = matrix(prefix + "input_layernorm.weight", 1, config_.hidden_size);
  w.attention = attention(prefix + "self_attn.");
  w.post_attention_layernorm =
      matrix(prefix + "post_attention_layernorm.weight", 1, config_.hidden_size);
  if (config_.is_moe_layer(index)) {
    w.moe = moe(prefix + "mlp.");
  } else {
    w.mlp = mlp(prefix + "mlp.", config_.intermediate_size);
  }
  return w;
}

MtpWeights Loader::mtp(const ModelWeights& model) {
  const int index = config_.num_hidden_layers, hidden = config_.hidden_size;
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const auto own_or = [&](const std::string& name, Matrix shared) {
    return source_.has(name) ? matrix(name, config_.vocab_size, hidden) : shared;
  };
  MtpWeights w;
  w.embed_tokens = own_or(prefix + "embed_tokens.weight", model.embed_tokens);
  w.enorm = matrix(prefix + "enorm.weight", 1, hidden);
  w.hnorm = matrix(prefix + "hnorm.weight", 1, hidden);
  w.eh_proj = matrix(prefix + "eh_proj.weight", hidden, 2 * hidden);
  w.layer = layer(index);
  w.shared_head_norm = matrix(prefix + "shared_head.norm.weight", 1, hidden);
  w.shared_head = own_or(prefix + "shared_head.head.weight", model.lm_head);
  return w;
}

ModelWeights Loader::walk(bool with_mtp) {
  ModelWeights w;
  w.embed_tokens = matrix("model.embed_tokens.weight", config_.vocab_size, config_.hidden_size);
  for (int i = 0; i < config_.num_hidden_layers; ++i) w.layers.push_back(layer(i));
  w.norm = matrix("model.norm.weight", 1, config_.hidden_size);
  w.lm_head = config_.tie_word_embeddings
                  ? w.embed_tokens
                  : matrix("lm_head.weight", config_.vocab_size, config_.hidden_size);
  if (with_mtp) w.mtp = mtp(w);
  return w;
}

}  // namespace

Result<ModelWeights> load_weights(Backend& backend, const ModelConfig& config,
                                  const WeightSource& source, NumberType compute, bool with_mtp,
                                  const std::function<void(int64_t, int64_t)>& progress) {
  Loader loader(backend, config, source, compute);
  loader.walk(with_mtp);
  const int64_t total_bytes = loader.used_bytes();
  void* memory = backend.allocate(static_cast<size_t>(total_bytes));
  if (memory == nullptr) {
    return Error{ErrorCode::kStartup,
                 cat("The weights need ", total_bytes >> 20, " MiB of memory on ",
                     backend.description(), ", which has less free. Stop what else uses it.")};
  }
  Buffer arena(backend, memory, static_cast<size_t>(total_bytes));
  WeightUpload upload(backend, source);
  loader.fill(arena.data(), upload);
  ModelWeights weights = loader.walk(with_mtp);
  upload.finish([&](int64_t done_bytes) {
    if (progress) progress(done_bytes, total_bytes);
  });
  if (progress) progress(total_bytes, total_bytes);  // what lies between the matrices too
  weights.arena = std::move(arena);
  return weights;
}

}  // namespace glint
