#include "model/mlp.h"

namespace glint {

void mlp(Backend& backend, const MlpWeights& weights, Matrix x, Activations& activations,
         Matrix out) {
  const Matrix act = activations.mlp_act.first_rows(x.rows);
  backend.linear_swiglu(x, weights.gate_up, act);
  backend.linear(act, weights.down, out);
}

ExpertParts norm_and_moe(Backend& backend, const ModelConfig& config, Matrix layernorm,
                         const MoeWeights& weights, Matrix delta, Matrix residual,
                         Activations& activations) {
  const int num_tokens = residual.rows;
  Routing routing = activations.routing;
  routing.num_tokens = num_tokens;
  const int pairs = num_tokens * routing.experts_per_row;
  const Matrix normed = activations.normed.first_rows(num_tokens);
  const Matrix act = activations.expert_act.first_rows(pairs);
  const Matrix parts = activations.expert_out.first_rows(pairs);
  backend.add_rms_norm_route(delta, residual, layernorm, config.rms_norm_eps, normed, weights.gate,
                             weights.bias,
                             {.num_experts_per_tok = config.num_experts_per_tok,
                              .norm_topk_prob = config.norm_topk_prob,
                              .routed_scaling_factor = config.routed_scaling_factor},
                             routing);
  backend.moe_gate_up(normed, routing, weights.gate_up, act);
  backend.moe_down(act, routing, weights.down, parts);
  return {parts, routing};
}

}  // namespace glint
