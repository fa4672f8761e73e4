#include "model/mlp.h"

namespace glint {

void mlp(Backend& backend, const MlpWeights& weights, Matrix x, Activations& activations,
         Matrix out) {
  const Matrix act = activations.mlp_act.first_rows(x.rows);
  backend.linear_swiglu(x, weights.gate_up, act);
  backend.linear(act, weights.down, out);
}

void moe(Backend& backend, const ModelConfig& config, const MoeWeights& weights, Matrix x,
         Activations& activations, Matrix out) {
  Routing routing = activations.routing;
  routing.num_tokens = x.rows;
  const Matrix shared_act = activations.shared_act.first_rows(x.rows);
  const Matrix expert_act = activations.expert_act.first_rows(x.rows * config.num_experts_per_tok);
  backend.route(x, weights.gate, weights.bias,
                {.num_experts_per_tok = config.num_experts_per_tok,
                 .norm_topk_prob = config.norm_topk_prob,
                 .routed_scaling_factor = config.routed_scaling_factor},
                routing);
  backend.linear_swiglu(x, weights.shared.gate_up, shared_act);
  backend.moe_gate_up(x, routing, weights.gate_up, expert_act);
  backend.moe_down(expert_act, routing, weights.down, shared_act, weights.shared.down, out);
}

}  // namespace glint
