#pragma once

// What the tests of attention share: rope tables, random layers, caches that are NaN where no
// sequence has written.

#include "backend/ops_fixture.h"

namespace glint {

constexpr double kTheta = 1e6;

class AttentionTest : public OpsTest {
 protected:
  // Cosines and sines of the step's rows.
  Numbers rope_of(const TestStep& step, int dim) {
    Numbers table = floats(step.num_tokens(), dim);
    backend_->rope_table(step.view(), kTheta, table.view());
    table.download();
    return table;
  }
};

// A layer's attention with random sizes: the query, the cache, the two halves of kv_b_proj.
struct Mla {
  int heads, nope, rope, latent, v, page_size;
  float scale;
  int head_dim() const { return nope + rope; }
  int kv_row() const { return latent + rope; }
};

inline Mla random_mla(Random& random) {
  Mla mla{.heads = random.integer(1, 4),
          .nope = random.integer(1, 40),
          .rope = 2 * random.integer(1, 10),
          .latent = random.integer(1, 150),
          .v = random.integer(1, 40),
          .page_size = random.integer(1, 9),
          .scale = 0};
  mla.scale = 1 / std::sqrt(static_cast<float>(mla.head_dim()));
  return mla;
}

inline std::vector<TestSequence> random_sequences(Random& random) {
  std::vector<TestSequence> sequences(static_cast<size_t>(random.integer(1, 4)));
  for (TestSequence& sequence : sequences) sequence = {random.integer(0, 30), random.integer(1, 5)};
  return sequences;
}

// Every second or third row of the step.
inline std::vector<int> some_rows(Random& random, int num_tokens) {
  std::vector<int> rows;
  for (int t = random.integer(0, 1); t < num_tokens; t += random.integer(1, 3)) rows.push_back(t);
  if (rows.empty()) rows.push_back(0);
  return rows;
}

class MlaTest : public AttentionTest {
 protected:
  // Rows that the step's sequences have, random; all others NaN.
  Numbers filled_cache(const TestStep& step, const Mla& mla) {
    Numbers cache(*backend_, type(), step.num_pages() * mla.page_size, mla.kv_row(), 0);
    for (int t = 0; t < step.num_tokens(); ++t)
      for (int p = 0; p <= step.position(t); ++p) {
        const int row = step.kv_row(t, p);
        if (std::isnan(cache.at(row, 0))) cache.fill_row(row, random_);
      }
    cache.upload();
    return cache;
  }

  void expect_only_listed(const Numbers& out, const std::vector<int>& rows) {
    for (int t = 0; t < out.num_rows(); ++t)
      EXPECT_EQ(out.is_nan_row(t), !std::binary_search(rows.begin(), rows.end(), t)) << t;
  }
};

// softmax(scores) as doubles.
inline std::vector<double> softmax(std::vector<double> scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - largest);
  for (double& score : scores) score /= total;
  return scores;
}

}  // namespace glint
