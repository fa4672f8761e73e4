// The expanded form of MLA, as it is defined: keys and values of every head are made from the
// latent rows, then attended as in ordinary multi-head attention. It shares no arithmetic with the
// absorbed form, for which it is the tests' reference.

#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/rows.h"

namespace glint {
namespace {

struct ExpandedHead {
  std::vector<float> keys;    // [num_rows, qk_head_dim]
  std::vector<float> values;  // [num_rows, v_head_dim]
};

// [rows, cols] of any type as FP32.
std::vector<float> widened(const cpu::Kernels& kernels, const Matrix& m) {
  std::vector<float> out(static_cast<size_t>(m.rows) * static_cast<size_t>(m.cols));
  for (int r = 0; r < m.rows; ++r)
    cpu::load_row(kernels, m.at(r, 0), m.type, out.data() + int64_t{r} * m.cols, m.cols);
  return out;
}

// latents [num_rows, row_size], w_uk [latent, nope], w_uv [v, latent]
ExpandedHead expand_head(const std::vector<float>& latents, int num_rows, int row_size,
                         const std::vector<float>& w_uk, int nope, const std::vector<float>& w_uv,
                         int v_dim) {
  const int latent = static_cast<int>(w_uk.size()) / nope, rope_dim = row_size - latent;
  const int head_dim = nope + rope_dim;
  ExpandedHead head;
  head.keys.assign(static_cast<size_t>(num_rows) * static_cast<size_t>(head_dim), 0.0f);
  head.values.assign(static_cast<size_t>(num_rows) * static_cast<size_t>(v_dim), 0.0f);
  for (int p = 0; p < num_rows; ++p) {
    const float* row = latents.data() + int64_t{p} * row_size;
    float* key = head.keys.data() + int64_t{p} * head_dim;
    float* value = head.values.data() + int64_t{p} * v_dim;
    for (int j = 0; j < latent; ++j)
      for (int i = 0; i < nope; ++i) key[i] += row[j] * w_uk[static_cast<size_t>(j * nope + i)];
    for (int i = 0; i < rope_dim; ++i) key[nope + i] = row[latent + i];
    for (int i = 0; i < v_dim; ++i)
      for (int j = 0; j < latent; ++j)
        value[i] += row[j] * w_uv[static_cast<size_t>(i * latent + j)];
  }
  return head;
}

// softmax(scale q . keys[p]) values over p in [0, num_rows)
void attend_head(const float* q, const ExpandedHead& head, int num_rows, int head_dim, int v_dim,
                 float scale, float* out) {
  std::vector<float> scores(static_cast<size_t>(num_rows));
  float largest = -HUGE_VALF, total = 0;
  for (int p = 0; p < num_rows; ++p) {
    float& score = scores[static_cast<size_t>(p)] = 0;
    for (int i = 0; i < head_dim; ++i)
      score += q[i] * head.keys[static_cast<size_t>(p * head_dim + i)];
    score *= scale;
    largest = std::fmax(largest, score);
  }
  for (float& score : scores) total += score = std::exp(score - largest);
  for (int i = 0; i < v_dim; ++i) out[i] = 0;
  for (int p = 0; p < num_rows; ++p)
    for (int i = 0; i < v_dim; ++i)
      out[i] +=
          scores[static_cast<size_t>(p)] / total * head.values[static_cast<size_t>(p * v_dim + i)];
}

}  // namespace

void CpuBackend::mla_attend_expanded(const StepView& step, Matrix q, MatrixStack w_uk,
                                     MatrixStack w_uv, KvPages kv, float scale, RowList rows,
                                     Matrix o) {
  const int num_heads = w_uk.count, nope = w_uk.cols, v_dim = w_uv.rows;
  const int head_dim = q.cols / num_heads;
  CHECK(o.cols == num_heads * v_dim && head_dim - nope == kv.row_size - w_uk.rows, "o of ", o.cols,
        ", heads of ", head_dim);
  const auto wide = widened_rows(q, inputs_);
  std::vector<float> out(static_cast<size_t>(v_dim));
  // Rows of one sequence are adjacent: its keys and values are made once, up to the last of them.
  for (int begin = 0, end = 0; begin < rows.size; begin = end) {
    const int32_t sequence = step.token_sequence[rows.data[begin]];
    while (end < rows.size && step.token_sequence[rows.data[end]] == sequence) ++end;
    const int num_rows = step.positions[rows.data[end - 1]] + 1;
    const int32_t* pages = step.pages + step.page_begin[sequence];
    std::vector<float> latents(static_cast<size_t>(num_rows) * static_cast<size_t>(kv.row_size));
    for (int p = 0; p < num_rows; ++p)
      cpu::load_row(kernels_, kv.row(pages[p / kv.page_size], p % kv.page_size), kv.type,
                    latents.data() + int64_t{p} * kv.row_size, kv.row_size);
    for (int h = 0; h < num_heads; ++h) {
      const ExpandedHead head =
          expand_head(latents, num_rows, kv.row_size, widened(kernels_, w_uk[h]), nope,
                      widened(kernels_, w_uv[h]), v_dim);
      for (int i = begin; i < end; ++i) {
        const int t = rows.data[i];
        attend_head(wide[static_cast<size_t>(t)] + h * head_dim, head, step.positions[t] + 1,
                    head_dim, v_dim, scale, out.data());
        cpu::store_row(kernels_, out.data(), o.at(t, h * v_dim), o.type, v_dim);
      }
    }
  }
}

}  // namespace glint
