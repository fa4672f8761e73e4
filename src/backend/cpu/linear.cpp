// Projections: y = x W^T, alone, with SwiGLU, and by experts.

#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/rows.h"

namespace glint {
namespace {

float silu(float x) { return x / (1.0f + std::exp(-x)); }

std::vector<float*> row_pointers(float* data, int rows, int64_t stride) {
  std::vector<float*> pointers(static_cast<size_t>(rows));
  for (size_t r = 0; r < pointers.size(); ++r)
    pointers[r] = data + static_cast<int64_t>(r) * stride;
  return pointers;
}

// The rows that one expert works on: inputs and outputs.
struct ExpertRows {
  std::vector<const float*> x;
  std::vector<float*> out;
  int num_rows() const { return static_cast<int>(x.size()); }
};

// x_of(i) and out_of(i) for the ith of routing.expert_pairs.
template <typename XOf, typename OutOf>
std::vector<ExpertRows> by_expert(const Routing& routing, int num_experts, XOf&& x_of,
                                  OutOf&& out_of) {
  std::vector<ExpertRows> experts(static_cast<size_t>(num_experts));
  for (int e = 0; e < num_experts; ++e)
    for (int i = routing.expert_begin[e]; i < routing.expert_begin[e + 1]; ++i) {
      experts[static_cast<size_t>(e)].x.push_back(x_of(i));
      experts[static_cast<size_t>(e)].out.push_back(out_of(i));
    }
  return experts;
}

}  // namespace

std::vector<const float*> CpuBackend::widened_rows(Matrix x, Scratch& scratch) {
  std::vector<const float*> rows(static_cast<size_t>(x.rows));
  const bool widen = x.type == NumberType::kBf16;
  float* wide = widen ? scratch.floats(rows.size() * static_cast<size_t>(x.cols)) : nullptr;
  for (int r = 0; r < x.rows; ++r) {
    float* row = widen ? wide + int64_t{r} * x.cols : static_cast<float*>(x.at(r, 0));
    if (widen) kernels_.widen(static_cast<const bf16*>(x.at(r, 0)), row, x.cols);
    rows[static_cast<size_t>(r)] = row;
  }
  return rows;
}

void CpuBackend::linear(Matrix x, Matrix w, Matrix out) {
  CHECK(w.cols == x.cols && w.rows == out.cols && out.rows == x.rows, "x [", x.rows, ", ", x.cols,
        "], w [", w.rows, ", ", w.cols, "], out [", out.rows, ", ", out.cols, "]");
  const auto x_rows = widened_rows(x, inputs_);
  const bool direct = out.type == NumberType::kF32;
  float* wide = direct ? static_cast<float*>(out.data)
                       : outputs_.floats(static_cast<size_t>(out.rows) * out.cols);
  const auto y = row_pointers(wide, out.rows, direct ? out.stride : out.cols);
  for_columns(out.cols, int64_t{x.rows} * x.cols, [&](int begin, int end) {
    kernels_.linear(x_rows.data(), y.data(), x.rows, w, begin, end);
    for (int t = 0; t < out.rows; ++t)
      cpu::store_row(kernels_, y[static_cast<size_t>(t)] + begin, out.at(t, begin), out.type,
                     end - begin);
  });
}

void CpuBackend::swiglu_columns(const std::vector<const float*>& x,
                                const std::vector<float*>& projected, Matrix w, int begin,
                                int end) {
  const int num_rows = static_cast<int>(x.size());
  const int width = w.rows / 2;
  kernels_.linear(x.data(), projected.data(), num_rows, w, begin, end);
  kernels_.linear(x.data(), projected.data(), num_rows, w, width + begin, width + end);
  for (float* row : projected)
    for (int i = begin; i < end; ++i) row[i] = silu(row[i]) * row[width + i];
}

void CpuBackend::linear_swiglu(Matrix x, Matrix w, Matrix out) {
  CHECK(w.cols == x.cols && w.rows == 2 * out.cols && out.rows == x.rows, "x [", x.rows, ", ",
        x.cols, "], w [", w.rows, ", ", w.cols, "], out [", out.rows, ", ", out.cols, "]");
  const auto x_rows = widened_rows(x, inputs_);
  const auto y =
      row_pointers(outputs_.floats(static_cast<size_t>(x.rows) * w.rows), x.rows, w.rows);
  for_columns(out.cols, 2 * int64_t{x.rows} * x.cols, [&](int begin, int end) {
    swiglu_columns(x_rows, y, w, begin, end);
    for (int t = 0; t < out.rows; ++t)
      cpu::store_row(kernels_, y[static_cast<size_t>(t)] + begin, out.at(t, begin), out.type,
                     end - begin);
  });
}

void CpuBackend::moe_gate_up(Matrix x, const Routing& routing, MatrixStack w, Matrix act) {
  const int per_token = routing.experts_per_row;
  CHECK(x.rows == routing.num_tokens && act.rows == x.rows * per_token, "x of ", x.rows,
        " rows, act of ", act.rows);
  CHECK(w.cols == x.cols && w.rows == 2 * act.cols, "w [", w.count, ", ", w.rows, ", ", w.cols,
        "], act of width ", act.cols);
  if (x.rows == 0) return;
  const auto x_rows = widened_rows(x, inputs_);
  float* y = outputs_.floats(static_cast<size_t>(act.rows) * w.rows);
  const auto experts = by_expert(
      routing, w.count,
      [&](int i) { return x_rows[static_cast<size_t>(routing.expert_pairs[i] / per_token)]; },
      [&](int i) { return y + int64_t{i} * w.rows; });
  for_columns(act.cols, 2 * int64_t{act.rows} * x.cols, [&](int begin, int end) {
    for (int e = 0; e < w.count; ++e) {
      const ExpertRows& rows = experts[static_cast<size_t>(e)];
      if (rows.num_rows() > 0) swiglu_columns(rows.x, rows.out, w[e], begin, end);
    }
    for (int i = 0; i < act.rows; ++i)
      cpu::store_row(kernels_, y + int64_t{i} * w.rows + begin, act.at(i, begin), act.type,
                     end - begin);
  });
}

void CpuBackend::moe_down(Matrix act, const Routing& routing, MatrixStack w, Matrix parts) {
  CHECK(act.rows == routing.num_tokens * routing.experts_per_row, "act of ", act.rows, " rows");
  CHECK(w.cols == act.cols && w.rows == parts.cols && parts.rows == act.rows, "w [", w.rows, ", ",
        w.cols, "], parts [", parts.rows, ", ", parts.cols, "]");
  if (act.rows == 0) return;
  const auto act_rows = widened_rows(act, inputs_);
  float* y = outputs_.floats(static_cast<size_t>(act.rows) * parts.cols);
  const auto experts = by_expert(
      routing, w.count, [&](int i) { return act_rows[static_cast<size_t>(i)]; },
      [&](int i) { return y + int64_t{routing.expert_pairs[i]} * parts.cols; });
  for_columns(parts.cols, int64_t{act.rows} * act.cols, [&](int begin, int end) {
    for (int e = 0; e < w.count; ++e) {
      const ExpertRows& rows = experts[static_cast<size_t>(e)];
      if (rows.num_rows() > 0)
        kernels_.linear(rows.x.data(), rows.out.data(), rows.num_rows(), w[e], begin, end);
    }
    for (int i = 0; i < parts.rows; ++i)
      cpu::store_row(kernels_, y + int64_t{i} * parts.cols + begin, parts.at(i, begin), parts.type,
                     end - begin);
  });
}

}  // namespace glint
