#include <algorithm>
#include <cmath>
#include <numeric>

#include "backend/cpu/cpu_backend.h"

namespace glint {
namespace {

// Indices of the `count` largest, largest first, of equals the lowest index. NaN counts as
// smallest, so that a bad row still names experts that exist.
void choose_largest(const std::vector<float>& scores, std::vector<int32_t>& order, int count) {
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](int32_t i) {
    const float score = scores[static_cast<size_t>(i)];
    return std::isnan(score) ? -HUGE_VALF : score;
  };
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int32_t a, int32_t b) {
    return key(a) != key(b) ? key(a) > key(b) : a < b;
  });
}

void group_by_expert(const Routing& routing, int num_experts) {
  const int num_pairs = routing.num_tokens * routing.experts_per_row;
  int next = 0;
  for (int e = 0; e < num_experts; ++e) {
    routing.expert_begin[e] = next;
    for (int i = 0; i < num_pairs; ++i)
      if (routing.expert_ids[i] == e) routing.expert_pairs[next++] = i;
  }
  routing.expert_begin[num_experts] = next;
}

}  // namespace

void CpuBackend::route(Matrix x, Matrix w, Matrix bias, const RouterParams& params,
                       Routing routing) {
  const int count = params.num_experts_per_tok, shared = routing.n_shared_experts;
  const int per_row = count + shared;
  CHECK(bias.type == NumberType::kF32, "the bias is FP32");
  CHECK(w.cols == x.cols && bias.cols == w.rows, "w [", w.rows, ", ", w.cols, "]");
  CHECK(routing.num_tokens == x.rows && routing.experts_per_row == per_row && count <= w.rows,
        count, " of ", w.rows, " experts for ", routing.num_tokens, " rows");
  const auto x_rows = widened_rows(x, inputs_);
  const float* selection_bias = static_cast<const float*>(bias.data);
  const auto num_experts = static_cast<size_t>(w.rows);
  std::vector<float> scores(num_experts), selection(num_experts);
  std::vector<int32_t> order(num_experts);
  for (int t = 0; t < x.rows; ++t) {
    float* logits = scores.data();
    kernels_.linear(&x_rows[static_cast<size_t>(t)], &logits, 1, w, 0, w.rows);
    for (size_t e = 0; e < num_experts; ++e) {
      scores[e] = 1.0f / (1.0f + std::exp(-scores[e]));
      selection[e] = scores[e] + selection_bias[e];
    }
    choose_largest(selection, order, count);
    float total = params.norm_topk_prob ? 0.0f : 1.0f;
    for (int j = 0; params.norm_topk_prob && j < count; ++j)
      total += scores[static_cast<size_t>(order[static_cast<size_t>(j)])];
    for (int j = 0; j < count; ++j) {
      const int32_t id = order[static_cast<size_t>(j)];
      routing.expert_ids[t * per_row + j] = id;
      routing.weights[t * per_row + j] =
          scores[static_cast<size_t>(id)] / total * params.routed_scaling_factor;
    }
    for (int s = 0; s < shared; ++s) {
      routing.expert_ids[t * per_row + count + s] = w.rows + s;
      routing.weights[t * per_row + count + s] = 1;
    }
  }
  group_by_expert(routing, w.rows + shared);
}

}  // namespace glint
