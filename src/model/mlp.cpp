#include "model/mlp.h"

namespace glint {

void mlp(Backend& backend, const MlpWeights& weights, Matrix x, Activations& activations,
         Matrix out) {
  const Matrix act = activations.mlp_act.first_rows(x.rows);
  backend.linear_swiglu(x, weights.gate_up, act);
  backend.linear(act, weights.down, out);
}

ExpertParts moe(Backend& backend, const ModelConfig& config, const MoeWeights& weights, Matrix x,
                Activations& activations) {
  Routing routing = activations.routing;
  routing.num_tokens = x.rows;
  const int pairs = x.rows * routing.experts_per_row;
  const Matrix act = activations.expert_act.first_rows(pairs);
  const Matrix parts = activations.expert_out.first_rows(pairs);
  backend.route(x, weights.gate, weights.bias,
                {.num_experts_per_tok = config.num_experts_per_tok,
                 .norm_topk_prob = config.norm_topk_prob,
                 .routed_scaling_factor = config.routed_scaling_factor},
                routing);
  backend.moe_gate_up(x, routing, weights.gate_up, act);
  backend.moe_down(act, routing, weights.down, parts);
  return {parts, routing};
}

}  // namespace glint
