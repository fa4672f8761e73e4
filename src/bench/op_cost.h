#pragma once

// What an op must move and compute, whatever kernel does it: the limit that its time is held
// against.
//
// Bytes: each weight once, of the experts those that a row chose; each KV row that is attended,
// once for a sequence; activations in and out. All BF16, but for logits and rope tables.
//
// FLOPs: two for each multiply-add of a matrix product; of a prompt's attention, those below the
// diagonal. Norms, rotations and softmax are not counted.

#include "model/config.h"

namespace glint {

enum class StepForm { kDecode, kPrefill };

// A decode step has one row of each of `rows` sequences, which attends to `context` rows, its own
// included. A prefill is one prompt of `rows` rows, nothing of it cached.
struct StepSize {
  StepForm form = StepForm::kDecode;
  int rows = 1;
  int context = 1;
  double experts_hit = 0;  // distinct ones that the rows chose in one layer, and the shared ones

  double attended() const {  // pairs of a row and a KV row
    const double r = rows;
    return form == StepForm::kDecode ? r * context : r * (r + 1) / 2;
  }
  double kv_rows() const {  // distinct ones
    return form == StepForm::kDecode ? attended() : rows;
  }
};

struct OpCost {
  double bytes = 0;
  double flops = 0;
};

// Of n rows that choose k of e experts, each row independently and uniformly.
double expected_experts_hit(int rows, int experts, int experts_per_row);

OpCost linear_cost(int rows, int in, int out, int bytes_per_output = 2);
OpCost swiglu_cost(int rows, int in, int width);
// `in` numbers read and `out` written for each row, BF16.
OpCost row_cost(int rows, int in, int out);

OpCost rope_table_cost(const ModelConfig& config, const StepSize& size);
OpCost rope_query_cost(const ModelConfig& config, const StepSize& size);
OpCost split_qkv_a_cost(const ModelConfig& config, const StepSize& size);
OpCost absorb_query_cost(const ModelConfig& config, const StepSize& size);
OpCost query_cost(const ModelConfig& config, const StepSize& size);
OpCost attend_cost(const ModelConfig& config, const StepSize& size);
OpCost expand_output_cost(const ModelConfig& config, const StepSize& size);
OpCost attend_output_cost(const ModelConfig& config, const StepSize& size);
OpCost attend_expanded_cost(const ModelConfig& config, const StepSize& size);
OpCost route_cost(const ModelConfig& config, const StepSize& size);
OpCost moe_gate_up_cost(const ModelConfig& config, const StepSize& size);
OpCost moe_down_cost(const ModelConfig& config, const StepSize& size);
OpCost moe_combine_cost(const ModelConfig& config, const StepSize& size);
OpCost moe_combine_add_rms_norm_cost(const ModelConfig& config, const StepSize& size);
OpCost sample_cost(const ModelConfig& config, const StepSize& size);

}  // namespace glint
