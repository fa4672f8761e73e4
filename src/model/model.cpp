#include "model/model.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "model/activations.h"
#include "model/mla_attention.h"
#include "model/mlp.h"
#include "model/weights.h"

namespace glint {
namespace {

ModelOptions completed(ModelOptions options) {
  CHECK(options.page_size > 0 && options.num_pages > 0 && options.max_batch_tokens > 0,
        "ModelOptions without page_size, num_pages or max_batch_tokens");
  if (options.max_batch_sequences == 0) options.max_batch_sequences = options.max_batch_tokens;
  if (options.max_block_rows == 0) options.max_block_rows = options.max_batch_tokens;
  options.max_block_rows = std::min(options.max_block_rows, options.max_batch_tokens);
  CHECK(!options.with_mtp || options.max_block_rows == options.max_batch_tokens,
        "the MTP layer takes all of a step's rows at once");
  if (options.max_logit_rows == 0) options.max_logit_rows = options.max_batch_tokens;
  return options;
}

// A step of `rows` rows in sequences of `extend_len`, all on page 0.
Batch uniform_batch(const ModelOptions& options, int rows, int extend_len, RowForm form) {
  Batch batch;
  batch.token_ids.assign(static_cast<size_t>(rows), 0);
  const int pages = (extend_len + options.page_size - 1) / options.page_size;
  batch.pages.assign(static_cast<size_t>(pages), 0);
  for (int row = 0; row < rows; row += extend_len) {
    batch.sequences.push_back({.extend_len = std::min(extend_len, rows - row),
                               .token_begin = row,
                               .num_pages = pages,
                               .form = form,
                               .num_logit_rows = 1});
  }
  return batch;
}

// In sequences as long as the pool, so that the page tables of a step have room for them.
Batch long_sequences(const ModelOptions& options, int rows, RowForm form) {
  const int longest = options.num_pages * options.page_size;
  return uniform_batch(options, rows, std::min(rows, longest), form);
}
Batch largest_prompt(const ModelOptions& options) {
  return long_sequences(options, options.max_batch_tokens, RowForm::kPrompt);
}
// Of sequences that gave way: what they had generated is computed again as it was decoded.
Batch largest_recomputation(const ModelOptions& options) {
  return long_sequences(options, options.max_block_rows, RowForm::kDecode);
}
Batch largest_decode(const ModelOptions& options) {
  const int rows =
      std::min({options.max_batch_tokens, options.max_batch_sequences, options.max_logit_rows});
  return uniform_batch(options, rows, 1, RowForm::kDecode);
}

// Every number up to 16, then about eight for each doubling: a row too many costs little, as all of
// a step's rows without a sequence choose the same experts.
std::vector<int> usual_rows(int most) {
  std::vector<int> rows;
  for (int n = 1; n <= most; n += std::max(1, static_cast<int>(std::bit_floor(unsigned(n))) / 8))
    rows.push_back(n);
  return rows;
}

// Largest first.
std::vector<int> recorded_rows(const ModelOptions& options) {
  const int most =
      std::min({options.max_batch_tokens, options.max_batch_sequences, options.max_logit_rows,
                options.max_recorded_rows.value_or(options.max_batch_tokens)});
  std::vector<int> rows = options.recorded_rows ? *options.recorded_rows : usual_rows(most);
  std::erase_if(rows, [&](int n) { return n < 1 || n > most; });
  std::ranges::sort(rows, std::greater{});
  return rows;
}

}  // namespace

struct Model::State {
  State(Backend& b, const ModelConfig& c, const ModelOptions& o, ModelWeights w)
      : backend(b),
        config(c),
        options(o),
        weights(std::move(w)),
        uploader(b, c, o),
        activations(b, c, o),
        kv(b, static_cast<size_t>(kv_layers() * kv_layer_bytes())) {}

  int64_t kv_layers() const { return config.num_hidden_layers + (options.with_mtp ? 1 : 0); }
  int64_t kv_layer_bytes() const {
    return int64_t{options.num_pages} * options.page_size * config.kv_row() *
           bytes_per_number(options.compute);
  }
  // A layer's part of the cache, [num_pages, page_size, kv_row]; the MTP layer's comes last.
  KvPages kv_pages(int layer) const {
    return {static_cast<char*>(kv.data()) + layer * kv_layer_bytes(), options.compute,
            options.num_pages, options.page_size, config.kv_row()};
  }

  // Of the smallest recording that has room for a step of so many rows; without one, its own.
  int padded_rows(int rows) const {
    const auto found = recordings.lower_bound(rows);
    return found == recordings.end() ? rows : found->first;
  }
  StepInputs upload(const Batch& batch, const SampleSlot* slots) {
    const int rows = padded_rows(static_cast<int>(batch.token_ids.size()));
    const MlaForm prompt_form = options.prompt_form.value_or(backend.prompt_form());
    const StepInputs inputs = uploader.upload(batch, rows, prompt_form, slots != nullptr);
    logit_slots = inputs.logit_slots;
    return inputs;
  }
  void begin_step(const StepInputs& inputs, const SampleSlot* slots) {
    num_tokens = inputs.step.num_tokens;
    if (slots != nullptr) backend.resolve_sampled_ids(inputs.step, slots, inputs.token_ids);
    backend.rope_table(inputs.step, config.rope_theta, activations.cos_sin.first_rows(num_tokens));
    if (inputs.absorbed_rows.size > 0)
      backend.plan_attend(inputs.step, inputs.absorbed_rows, kv_pages(0));
  }

  MatrixView<const float> forward(const StepInputs& inputs, const SampleSlot* slots);
  Recording* recording_for(const StepInputs& inputs, const SampleSlot* slots) const;
  // x is kept as residual + delta: the sum is made where the next norm reads it. After experts the
  // delta is in parts, which that norm adds up too.
  struct Delta {
    bool is_zero = false;
    std::optional<ExpertParts> parts{};
  };
  // A decoder layer, but for the attention between the two.
  void before_attention(int layer, const LayerWeights& w, const StepInputs& inputs, RowBlock rows,
                        const Delta& delta);
  Delta after_attention(const LayerWeights& w, RowBlock rows);
  template <typename Use>
  void for_each_block(const Use& use) const;
  void add_delta_and_norm(const Delta& delta, RowBlock rows, Matrix weight, Matrix out);
  void make_whole(const Delta& delta, RowBlock rows);
  MatrixView<const float> head(Matrix normed, Matrix lm_head);
  MatrixView<const float> last_logits(const StepInputs& inputs, Matrix delta);

  Backend& backend;
  const ModelConfig config;
  const ModelOptions options;
  ModelWeights weights;
  StepUploader uploader;
  Activations activations;
  Buffer kv;
  LayerProbe probe;
  int num_tokens = 0;  // of the last step
  RowList logit_slots;
  std::map<int, std::unique_ptr<Recording>> recordings;  // of forward(), by its padded rows
  const SampleSlot* recorded_slots = nullptr;
};

template <typename Use>
void Model::State::for_each_block(const Use& use) const {
  for (int begin = 0; begin < num_tokens; begin += options.max_block_rows)
    use(RowBlock{begin, std::min(options.max_block_rows, num_tokens - begin)});
}

void Model::State::before_attention(int layer, const LayerWeights& w, const StepInputs& inputs,
                                    RowBlock rows, const Delta& delta) {
  const Matrix normed = activations.normed.first_rows(rows.count);
  add_delta_and_norm(delta, rows, w.input_layernorm, normed);
  project_attention(backend, config, w.attention, inputs, rows, normed, kv_pages(layer),
                    activations);
}

Model::State::Delta Model::State::after_attention(const LayerWeights& w, RowBlock rows) {
  const Matrix delta = rows.of(activations.delta);
  backend.linear(rows.of(activations.o), w.attention.o_proj, delta);
  if (w.moe)
    return {.parts = norm_and_moe(backend, config, w.post_attention_layernorm, *w.moe, delta,
                                  rows.of(activations.residual), activations)};
  const Matrix normed = activations.normed.first_rows(rows.count);
  add_delta_and_norm({}, rows, w.post_attention_layernorm, normed);
  mlp(backend, *w.mlp, normed, activations, delta);
  return {};
}

// residual += delta; out = its norm.
void Model::State::add_delta_and_norm(const Delta& delta, RowBlock rows, Matrix weight,
                                      Matrix out) {
  const Matrix residual = rows.of(activations.residual);
  const float eps = config.rms_norm_eps;
  if (delta.is_zero) return backend.rms_norm(residual, weight, eps, out);
  if (!delta.parts)
    return backend.add_rms_norm(rows.of(activations.delta), residual, weight, eps, out);
  const auto& [parts, routing] = *delta.parts;
  backend.moe_combine_add_rms_norm(parts, routing, residual, weight, eps, out);
}

// The delta as one matrix, in activations.delta.
void Model::State::make_whole(const Delta& delta, RowBlock rows) {
  if (delta.parts)
    backend.moe_combine(delta.parts->parts, delta.parts->routing, rows.of(activations.delta));
}

MatrixView<const float> Model::State::head(Matrix normed, Matrix lm_head) {
  const Matrix logits = activations.logits.first_rows(normed.rows);
  backend.linear(normed, lm_head, logits);
  return {static_cast<const float*>(logits.data), logits.rows, logits.cols, logits.stride};
}

// Only the rows that are sampled meet the final norm and the head.
MatrixView<const float> Model::State::last_logits(const StepInputs& inputs, Matrix delta) {
  const int rows = inputs.logit_rows.size;
  const Matrix residual = activations.logit_residual.first_rows(rows);
  const Matrix logit_delta = activations.logit_delta.first_rows(rows);
  const Matrix normed = activations.logit_normed.first_rows(rows);
  backend.gather_rows(activations.residual.first_rows(num_tokens), inputs.logit_rows, residual);
  backend.gather_rows(delta, inputs.logit_rows, logit_delta);
  backend.add_rms_norm(logit_delta, residual, weights.norm, config.rms_norm_eps, normed);
  return head(normed, weights.lm_head);
}

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Result<Model> Model::load(Backend& backend, const ModelConfig& config, const Checkpoint& checkpoint,
                          const ModelOptions& options, const LoadProgress& progress) {
  ModelWeights weights = TRY(load_weights(backend, config, CheckpointSource(checkpoint),
                                          options.compute, options.with_mtp, progress));
  return Model(std::make_unique<State>(backend, config, completed(options), std::move(weights)));
}

Result<Model> Model::load_dummy(Backend& backend, const ModelConfig& config,
                                const ModelOptions& options, uint64_t seed,
                                const LoadProgress& progress) {
  ModelWeights weights = TRY(load_weights(backend, config, DummySource(seed), options.compute,
                                          options.with_mtp, progress));
  return Model(std::make_unique<State>(backend, config, completed(options), std::move(weights)));
}

MatrixView<const float> Model::State::forward(const StepInputs& inputs, const SampleSlot* slots) {
  begin_step(inputs, slots);
  CHECK(!probe || num_tokens <= options.max_block_rows, "a probe sees all of a step at once");
  const std::vector<LayerWeights>& layers = weights.layers;
  for_each_block([&](RowBlock rows) {
    backend.embed(rows.of(inputs.step), weights.embed_tokens, rows.of(activations.residual));
    before_attention(0, layers.front(), inputs, rows, {.is_zero = true});
  });
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    const LayerWeights& w = layers[static_cast<size_t>(layer)];
    attend(backend, config, w.attention, inputs, kv_pages(layer), activations);
    const bool is_last = layer + 1 == config.num_hidden_layers;
    for_each_block([&](RowBlock rows) {
      const Delta delta = after_attention(w, rows);
      if (probe || (is_last && !options.with_mtp)) make_whole(delta, rows);
      if (probe) probe(layer, rows.of(activations.residual), rows.of(activations.delta));
      if (!is_last)
        before_attention(layer + 1, layers[static_cast<size_t>(layer) + 1], inputs, rows, delta);
      else if (options.with_mtp)
        add_delta_and_norm(delta, rows, weights.norm, rows.of(activations.hidden));
    });
  }
  if (!options.with_mtp) return last_logits(inputs, activations.delta.first_rows(num_tokens));
  const Matrix normed = activations.logit_normed.first_rows(inputs.logit_rows.size);
  backend.gather_rows(activations.hidden.first_rows(num_tokens), inputs.logit_rows, normed);
  return head(normed, weights.lm_head);
}

// The one that the step was uploaded for, if it can run there.
Recording* Model::State::recording_for(const StepInputs& inputs, const SampleSlot* slots) const {
  if (!inputs.is_decode() || slots != recorded_slots || probe) return nullptr;
  const auto found = recordings.find(padded_rows(inputs.step.num_tokens));
  return found == recordings.end() ? nullptr : found->second.get();
}

MatrixView<const float> Model::prepare(const SampleSlot* slots) {
  State& s = *state_;
  if (!s.backend.can_record()) return {};
  forward(largest_prompt(s.options), slots);
  forward(largest_recomputation(s.options), slots);
  const MatrixView<const float> logits = forward(largest_decode(s.options), slots);
  for (const int rows : recorded_rows(s.options)) {
    s.recordings[rows] = s.backend.record([&] { s.forward(s.uploader.padded(rows), slots); });
  }
  s.recorded_slots = slots;
  return logits;
}

MatrixView<const float> Model::forward(const Batch& batch, const SampleSlot* slots) {
  State& s = *state_;
  const StepInputs inputs = s.upload(batch, slots);
  Recording* recording = s.recording_for(inputs, slots);
  if (recording == nullptr) return s.forward(inputs, slots);
  recording->run();
  s.num_tokens = inputs.step.num_tokens;
  const Matrix logits = s.activations.logits.first_rows(inputs.logit_rows.size);
  return {static_cast<const float*>(logits.data), logits.rows, logits.cols, logits.stride};
}

// DeepSeek-V3, arXiv:2412.19437, section 2.2: the embedding of the next token joins the hidden
// state, and one more decoder layer follows. The normed output is what a further draft carries.
MatrixView<const float> Model::forward_mtp(const Batch& batch, Matrix hidden) {
  State& s = *state_;
  CHECK(s.weights.mtp.has_value(), "the model was loaded without its MTP layer");
  const MtpWeights& w = *s.weights.mtp;
  const StepInputs inputs = s.upload(batch, /*slots=*/nullptr);
  s.begin_step(inputs, /*slots=*/nullptr);
  const Matrix residual = s.activations.residual.first_rows(s.num_tokens);
  const Matrix input = s.activations.mtp_input.first_rows(s.num_tokens);
  s.backend.embed_norm_concat(inputs.step, w.embed_tokens, w.enorm, hidden, w.hnorm,
                              s.config.rms_norm_eps, input);
  s.backend.linear(input, w.eh_proj, residual);
  const RowBlock all{0, s.num_tokens};
  const int layer = s.config.num_hidden_layers;
  s.before_attention(layer, w.layer, inputs, all, {.is_zero = true});
  attend(s.backend, s.config, w.layer.attention, inputs, s.kv_pages(layer), s.activations);
  s.add_delta_and_norm(s.after_attention(w.layer, all), all, w.shared_head_norm, mtp_hidden());
  const Matrix normed = s.activations.logit_normed.first_rows(inputs.logit_rows.size);
  s.backend.gather_rows(mtp_hidden(), inputs.logit_rows, normed);
  return s.head(normed, w.shared_head);
}

Matrix Model::hidden() const { return state_->activations.hidden.first_rows(state_->num_tokens); }
Matrix Model::mtp_hidden() const {
  return state_->activations.mtp_hidden.first_rows(state_->num_tokens);
}
RowList Model::logit_slots() const { return state_->logit_slots; }
const ModelConfig& Model::config() const { return state_->config; }
const ModelOptions& Model::options() const { return state_->options; }
int64_t Model::weight_bytes() const { return static_cast<int64_t>(state_->weights.arena.size()); }
int64_t Model::kv_bytes() const { return static_cast<int64_t>(state_->kv.size()); }
void Model::set_layer_probe(LayerProbe probe) { state_->probe = std::move(probe); }

}  // namespace glint
