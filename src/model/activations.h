#pragma once

// What a step needs besides weights and KV rows, allocated once for the largest step.

#include <vector>

#include "backend/backend.h"
#include "backend/staging.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/model.h"

namespace glint {

// A step's integers in the backend's memory.
struct StepInputs {
  StepView step;
  TokenId* token_ids = nullptr;          // the step's, for resolve_sampled_ids()
  RowList absorbed_rows, expanded_rows;  // every row is in one of them
  RowList logit_rows;
  RowList logit_slots;  // the slot of each logit row

  // Every row is decoded and gets logits.
  bool is_decode() const {
    return expanded_rows.size == 0 && logit_rows.size == step.num_tokens && step.num_tokens > 0;
  }
};

// Some of a step's rows. Between two layers' attention every op takes rows one by one, so a step
// goes through in blocks of at most max_block_rows.
struct RowBlock {
  int begin = 0, count = 0;

  Matrix of(const Matrix& all) const { return all.row_range(begin, count); }
  StepView of(const StepView& step) const { return step.row_range(begin, count); }
};

// One int32 block that every step's batch is packed into and uploaded with one copy. Steps follow
// each other in the backend's order, so one block serves all; the host's side is staged.
//
// Where a step's arrays lie depends on row_capacity() alone: arrays of so many entries one after
// another, then the page tables. So a captured step finds the next one's at the same place.
class StepUploader {
 public:
  StepUploader(Backend& backend, const ModelConfig& config, const ModelOptions& options);
  // CHECKs the batch against the options: its sizes, slots, page ids and token ids. The step may
  // run as padded(padded_rows), which are at least its own.
  StepInputs upload(const Batch& batch, int padded_rows, MlaForm prompt_form,
                    bool may_hold_sampled_ids);

  // A power of two from 8 on, or max_batch_tokens where that is less.
  int row_capacity(int num_tokens) const;

  // The inputs of a step of `num_rows` rows that are all decoded and all get logits, where a step
  // is uploaded to be padded to so many: rows past its own are no sequence's.
  StepInputs padded(int num_rows) const;

 private:
  void check(const Batch& batch, bool may_hold_sampled_ids) const;

  Backend& backend_;
  const ModelOptions options_;
  const int vocab_size_;
  const size_t max_pages_;  // entries of all page tables of a step
  Buffer block_;
  Staging staging_;
  std::vector<PromptRows> prompts_;  // of the last step
};

// T = max_batch_tokens, B = max_block_rows, H = heads, P = experts of a row, the shared ones too.
// All of the compute type unless said otherwise; use first_rows() for a smaller step or block.
struct Activations {
  Activations(Backend& backend, const ModelConfig& config, const ModelOptions& options);

  Matrix residual, delta;                            // [T, hidden_size]
  Matrix normed;                                     // [B, hidden_size]
  Matrix cos_sin;                                    // [T, qk_rope_head_dim] FP32
  Matrix qkv_a;                                      // [B, q_lora_rank + kv_row]
  Matrix c_q;                                        // [B, q_lora_rank]
  Matrix q;                                          // [T, H * qk_head_dim]
  Matrix q_row;                                      // [B, H * kv_row]
  Matrix o_latent;                                   // [B, H * kv_lora_rank]
  Matrix o;                                          // [T, H * v_head_dim]
  Matrix mlp_act;                                    // [B, intermediate_size]
  Matrix expert_act;                                 // [B * P, moe_intermediate_size], by expert
  Matrix expert_out;                                 // [B * P, hidden_size]
  Routing routing;                                   // [B, P]
  Matrix logit_residual, logit_delta, logit_normed;  // [max_logit_rows, hidden_size]
  Matrix logits;                                     // [max_logit_rows, vocab_size] FP32
  Matrix hidden, mtp_hidden;                         // [T, hidden_size], with_mtp only
  Matrix mtp_input;                                  // [T, 2 hidden_size], with_mtp only

 private:
  Matrix make(Backend& backend, int rows, int cols, NumberType type);
  std::vector<Buffer> buffers_;
};

}  // namespace glint
