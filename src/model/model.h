#pragma once

// GLM-4.7-Flash from token ids to logits, written once against backend/backend.h.
//
//   x = embed(token)
//   x += attention(rms_norm(x)); x += mlp(rms_norm(x))     for every decoder layer
//   logits = rms_norm(x) lm_head^T
//
// Source: transformers, modeling_glm4_moe_lite.py.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "model/batch.h"
#include "model/checkpoint.h"
#include "model/config.h"

namespace glint {

// Fixed at start: all memory is allocated from these.
struct ModelOptions {
  NumberType compute = NumberType::kBf16;  // of weights, activations and KV rows
  int page_size = 64;
  int num_pages = 0;
  int max_batch_tokens = 0;  // T of a step
  // Rows that are computed at once, attention aside; 0: max_batch_tokens. A larger step has no rows
  // but those that are attended in the expanded form.
  int max_block_rows = 0;
  int max_batch_sequences = 0;  // S of a step; 0: max_batch_tokens
  int max_logit_rows = 0;       // of a step; 0: max_batch_tokens
  bool with_mtp = false;
  // Where the backend records: steps of so many rows that decode; nothing: model.cpp chooses. Of
  // either, those up to max_recorded_rows. Larger steps are computed op by op.
  std::optional<std::vector<int>> recorded_rows{};
  std::optional<int> max_recorded_rows{};
  std::optional<MlaForm> prompt_form{};  // of rows marked RowForm::kPrompt; default: the backend's
};

// Bytes of weights in memory so far, and in the end. Called from the loading thread.
using LoadProgress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

// x after a decoder layer is residual + delta, both [T, hidden_size] in the backend's memory.
using LayerProbe = std::function<void(int layer, Matrix residual, Matrix delta)>;

class Model {
 public:
  // The checkpoint has passed check_tensors(). It is not needed afterwards.
  static Result<Model> load(Backend& backend, const ModelConfig& config,
                            const Checkpoint& checkpoint, const ModelOptions& options,
                            const LoadProgress& progress = {});
  // Random weights from the config alone: normal, sigma 0.02, norms 1, correction biases 0. Equal
  // for equal seeds.
  static Result<Model> load_dummy(Backend& backend, const ModelConfig& config,
                                  const ModelOptions& options, uint64_t seed = 0,
                                  const LoadProgress& progress = {});
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  // Computes the step and writes its KV rows. All token_ids are in [0, vocab_size), or
  // kSampledLastStep where `slots` are given, which are in the backend's memory. Returns the logits
  // of the batch's logit rows in order, [num_logit_rows, vocab_size] in the backend's memory, valid
  // until the next call. What the batch claims (sizes, slots, pages) is CHECKed against the
  // options.
  //
  // Returns when the step is enqueued: the results are there for the ops that follow. The batch is
  // not needed any more.
  MatrixView<const float> forward(const Batch& batch, const SampleSlot* slots = nullptr);

  // Where the backend records: computes the largest steps once, so that it has all the memory that
  // any needs, and records the steps that decode, for `slots`. Before the first forward(); the KV
  // rows of page 0 are overwritten. Returns logits as of the largest step that decodes.
  MatrixView<const float> prepare(const SampleSlot* slots);

  // After forward(): the slot of each logit row, in the backend's memory, valid as they are.
  RowList logit_slots() const;

  // After forward(), with_mtp only: model.norm of all T rows, [T, hidden_size], valid until the
  // next forward().
  Matrix hidden() const;

  // One pass of the MTP layer over `batch`, which has the rows of the model's own step but for each
  // the *next* token's id, at the same positions and pages; `hidden` holds the model's normed
  // output of these rows, or, when drafting further, the MTP layer's own. The logits are of the
  // token after the next. mtp_hidden() is what the following draft step takes.
  MatrixView<const float> forward_mtp(const Batch& batch, Matrix hidden);
  Matrix mtp_hidden() const;

  const ModelConfig& config() const;
  const ModelOptions& options() const;
  int64_t weight_bytes() const;
  int64_t kv_bytes() const;

  // Called after every decoder layer of forward(); for tests.
  void set_layer_probe(LayerProbe probe);

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace glint
