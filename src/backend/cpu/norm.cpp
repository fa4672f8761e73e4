// Ops on whole rows: lookups and norms.

#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/rows.h"

namespace glint {
namespace {

// x * 1 / sqrt(mean(x^2) + eps) * weight
void normalize(const cpu::Kernels& kernels, const float* x, const float* weight, int n, float eps,
               float* out) {
  const float mean = kernels.sum_of_squares(x, n) / static_cast<float>(n);
  const float scale = 1.0f / std::sqrt(mean + eps);
  for (int i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void check_norm(const Matrix& x, const Matrix& weight, const Matrix& out) {
  CHECK(weight.cols == x.cols && weight.rows == 1, "weight [", weight.rows, ", ", weight.cols,
        "] for rows of ", x.cols);
  CHECK(out.rows == x.rows && out.cols == x.cols, "out [", out.rows, ", ", out.cols, "]");
}

}  // namespace

void CpuBackend::embed(const StepView& step, Matrix table, Matrix out) {
  CHECK(out.rows == step.num_tokens && out.cols == table.cols, "out [", out.rows, ", ", out.cols,
        "]");
  float* row = inputs_.floats(static_cast<size_t>(table.cols));
  for (int t = 0; t < out.rows; ++t) {
    const int32_t id = step.token_ids[t];
    CHECK(id >= 0 && id < table.rows, "token id ", id, " of ", table.rows);
    cpu::load_row(kernels_, table.at(id, 0), table.type, row, table.cols);
    cpu::store_row(kernels_, row, out.at(t, 0), out.type, out.cols);
  }
}

void CpuBackend::gather_rows(Matrix x, RowList rows, Matrix out) {
  CHECK(out.rows == rows.size && out.cols == x.cols && out.type == x.type, "out [", out.rows, ", ",
        out.cols, "]");
  const auto bytes = static_cast<size_t>(x.cols * bytes_per_number(x.type));
  for (int i = 0; i < rows.size; ++i) {
    CHECK(rows.data[i] >= 0 && rows.data[i] < x.rows, "row ", rows.data[i], " of ", x.rows);
    std::memcpy(out.at(i, 0), x.at(rows.data[i], 0), bytes);
  }
}

void CpuBackend::rms_norm(Matrix x, Matrix weight, float eps, Matrix out) {
  check_norm(x, weight, out);
  const auto n = static_cast<size_t>(x.cols);
  float* row = inputs_.floats(2 * n);
  cpu::load_row(kernels_, weight.data, weight.type, row + n, x.cols);
  for (int t = 0; t < x.rows; ++t) {
    cpu::load_row(kernels_, x.at(t, 0), x.type, row, x.cols);
    normalize(kernels_, row, row + n, x.cols, eps, row);
    cpu::store_row(kernels_, row, out.at(t, 0), out.type, x.cols);
  }
}

void CpuBackend::add_rms_norm(Matrix delta, Matrix residual, Matrix weight, float eps, Matrix out) {
  check_norm(residual, weight, out);
  check_norm(delta, weight, out);
  const auto n = static_cast<size_t>(delta.cols);
  float* row = inputs_.floats(3 * n);
  cpu::load_row(kernels_, weight.data, weight.type, row + 2 * n, delta.cols);
  for (int t = 0; t < delta.rows; ++t) {
    cpu::load_row(kernels_, residual.at(t, 0), residual.type, row, delta.cols);
    cpu::load_row(kernels_, delta.at(t, 0), delta.type, row + n, delta.cols);
    for (size_t i = 0; i < n; ++i) row[i] += row[n + i];
    cpu::store_row(kernels_, row, residual.at(t, 0), residual.type, delta.cols);
    normalize(kernels_, row, row + 2 * n, delta.cols, eps, row);
    cpu::store_row(kernels_, row, out.at(t, 0), out.type, delta.cols);
  }
}

void CpuBackend::moe_combine(Matrix parts, const Routing& routing, Matrix out) {
  const int per_row = routing.experts_per_row;
  CHECK(parts.rows == out.rows * per_row && out.rows == routing.num_tokens, "parts of ", parts.rows,
        " rows, out of ", out.rows);
  CHECK(parts.cols == out.cols && parts.type == out.type, "parts of ", parts.cols, ", out of ",
        out.cols);
  const auto n = static_cast<size_t>(out.cols);
  float* sum = inputs_.floats(2 * n);
  float* part = sum + n;
  for (int t = 0; t < out.rows; ++t) {
    for (int j = 0; j < per_row; ++j) {
      const int pair = t * per_row + j;
      const float weight = routing.weights[pair];
      cpu::load_row(kernels_, parts.at(pair, 0), parts.type, part, out.cols);
      for (size_t i = 0; i < n; ++i) sum[i] = j == 0 ? weight * part[i] : sum[i] + weight * part[i];
    }
    cpu::store_row(kernels_, sum, out.at(t, 0), out.type, out.cols);
  }
}

void CpuBackend::moe_combine_add_rms_norm(Matrix parts, const Routing& routing, Matrix residual,
                                          Matrix weight, float eps, Matrix out) {
  float* memory = outputs_.floats(static_cast<size_t>(residual.rows) * residual.cols);
  const Matrix delta = contiguous(memory, parts.type, residual.rows, residual.cols);
  moe_combine(parts, routing, delta);
  add_rms_norm(delta, residual, weight, eps, out);
}

void CpuBackend::embed_norm_concat(const StepView& step, Matrix table, Matrix enorm, Matrix hidden,
                                   Matrix hnorm, float eps, Matrix out) {
  CHECK(out.cols == 2 * table.cols && hidden.cols == table.cols, "out [", out.rows, ", ", out.cols,
        "]");
  const Matrix embedded = out.columns(0, table.cols);
  embed(step, table, embedded);
  rms_norm(embedded, enorm, eps, embedded);
  rms_norm(hidden, hnorm, eps, out.columns(table.cols, table.cols));
}

}  // namespace glint
