#include "bench/step_limit.h"

#include "bench/op_list.h"

namespace glint {

double decode_limit_ms(const ModelConfig& config, const GpuLimits& limits, int rows, int context) {
  const double chosen =
      expected_experts_hit(rows, config.n_routed_experts, config.num_experts_per_tok);
  const StepSize size{.form = StepForm::kDecode,
                      .rows = rows,
                      .context = context,
                      .experts_hit = config.n_shared_experts + chosen};
  double microseconds = 0;
  for (const BenchOp& op : all_bench_ops()) {
    if (!op.is_in(size.form, MlaForm::kExpanded)) continue;
    microseconds += op.calls(config) * limits.microseconds(op.cost(config, size));
  }
  return microseconds / 1e3;
}

}  // namespace glint
