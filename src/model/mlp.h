#pragma once

// The two kinds of MLP of a decoder layer: dense, and a mixture of experts with a shared expert.
//
//   mlp(x) = (silu(x W_gate) * (x W_up)) W_down
//   moe(x) = sum over the chosen experts j of w_j mlp_j(x) + mlp_shared(x)
//
// Source: DeepSeek-V3, arXiv:2412.19437, section 2.1.2; transformers, Glm4MoeLiteMoE.

#include "backend/backend.h"
#include "model/activations.h"
#include "model/config.h"
#include "model/weights.h"

namespace glint {

// x, out [T, hidden_size]; must not overlap.
void mlp(Backend& backend, const MlpWeights& weights, Matrix x, Activations& activations,
         Matrix out);

// What the experts gave each row, to be summed by backend.moe_combine() or its norm. Points into
// the activations: valid until the next norm_and_moe().
struct ExpertParts {
  Matrix parts;  // [T * P, hidden_size]
  Routing routing;
};
// residual += delta; then moe() of its norm, which is left in activations.normed. [T, hidden_size]
ExpertParts norm_and_moe(Backend& backend, const ModelConfig& config, Matrix layernorm,
                         const MoeWeights& weights, Matrix delta, Matrix residual,
                         Activations& activations);

}  // namespace glint
