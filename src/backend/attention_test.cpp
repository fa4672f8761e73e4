// Rotation, KV rows and both forms of MLA against their definitions in double.

#include "backend/attention_fixture.h"

namespace glint {
namespace {

double angle(int position, int i, int dim) { return position * std::pow(kTheta, -2.0 * i / dim); }

// Number i of the `dim` from x(row, begin) on, rotated as at `position`.
double rotated(const Numbers& x, int row, int begin, int dim, int i, int position,
               bool interleave) {
  const int half = dim / 2;
  const int pair = interleave ? i / 2 : i % half;
  const bool is_second = interleave ? i % 2 == 1 : i >= half;
  const double a = x.at(row, begin + (interleave ? 2 * pair : pair));
  const double b = x.at(row, begin + (interleave ? 2 * pair + 1 : pair + half));
  const double cos = std::cos(angle(position, pair, dim)),
               sin = std::sin(angle(position, pair, dim));
  return is_second ? b * cos + a * sin : a * cos - b * sin;
}

INSTANTIATE_TEST_SUITE_P(Each, AttentionTest, testing::ValuesIn(ops_cases()), case_name);

TEST_P(AttentionTest, RopeTableIsExactFarOut) {
  const int dim = 10;
  const TestStep step(*backend_, random_, {{0, 3}, {200'000, 2}}, 64, 5);
  Numbers table = rope_of(step, dim);
  for (int t = 0; t < step.num_tokens(); ++t)
    for (int i = 0; i < dim / 2; ++i) {
      const double exact = angle(step.position(t), i, dim);
      EXPECT_EQ(table.at(t, i), static_cast<float>(std::cos(exact)));
      EXPECT_EQ(table.at(t, dim / 2 + i), static_cast<float>(std::sin(exact)));
    }
  EXPECT_TRUE(table.gaps_are_nan());
}

TEST_P(AttentionTest, RopeQueryTurnsTheEndOfEveryHead) {
  for (const bool interleave : {true, false}) {
    const int heads = 3, nope = 7, dim = 6, head_dim = nope + dim;
    const TestStep step(*backend_, random_, {{0, 4}, {1000, 2}}, 4, 5);
    const Numbers table = rope_of(step, dim), before = filled(step.num_tokens(), heads * head_dim);
    const std::vector<int> rows = {0, 2, 3, 5};
    const Integers listed(*backend_, rows), first(*backend_, {0});
    Numbers q = before.copy();
    backend_->rope_query(q.view(), heads, {table.view(), interleave}, listed.list());
    expect_near(q, rows, [&](int t, int c) {
      const int h = c / head_dim, i = c % head_dim - nope;
      if (i < 0) return before.at(t, c);
      return rotated(before, t, h * head_dim + nope, dim, i, step.position(t), interleave);
    });
    for (const int t : {1, 4}) EXPECT_TRUE(q.same_row(t, before, t)) << "row " << t;
    expect_same_alone(q, rows, [&](int t, Matrix out) {
      const Integers row(*backend_, {t});
      backend_->gather_rows(before.view(), row.list(), out);
      backend_->rope_query(out, heads, {table.row(t), interleave}, first.list());
    });
  }
}

TEST_P(AttentionTest, SplitQkvANormsTheQueryAndWritesTheTokensRowsAndNoOthers) {
  for (const bool interleave : {true, false}) {
    const int q_rank = 33, latent = 21, dim = 6, page_size = 4;
    const float eps = 0.25f;
    const TestStep step(*backend_, random_, {{0, 6}, {5, 1}, {7, 3}}, page_size, 5);
    const Numbers table = rope_of(step, dim), q_norm = filled(1, q_rank), norm = filled(1, latent);
    const Numbers qkv_a = filled(step.num_tokens(), q_rank + latent + dim);
    Numbers cache(*backend_, type(), step.num_pages() * page_size, latent + dim, 0);
    Numbers c_q = numbers(step.num_tokens(), q_rank);
    backend_->split_qkv_a(step.view(), qkv_a.view(), {q_norm.view(), norm.view(), eps},
                          {table.view(), interleave}, c_q.view(), step.cache(cache));
    expect_near(c_q, [&](int t, int i) {
      return qkv_a.at(t, i) / root_mean_square(qkv_a, t, q_rank, eps) * q_norm.at(0, i);
    });
    std::vector<int> token_of_row(static_cast<size_t>(cache.num_rows()), -1), written;
    for (int t = 0; t < step.num_tokens(); ++t) {
      written.push_back(step.kv_row(t, step.position(t)));
      token_of_row[static_cast<size_t>(written.back())] = t;
    }
    const auto mean_square_root = [&](int t) {
      double squares = 0;
      for (int i = q_rank; i < q_rank + latent; ++i) squares += qkv_a.at(t, i) * qkv_a.at(t, i);
      return std::sqrt(squares / latent + eps);
    };
    expect_near(cache, written, [&](int row, int c) {
      const int t = token_of_row[static_cast<size_t>(row)];
      if (c < latent) return qkv_a.at(t, q_rank + c) / mean_square_root(t) * norm.at(0, c);
      return rotated(qkv_a, t, q_rank + latent, dim, c - latent, step.position(t), interleave);
    });
    for (int row = 0; row < cache.num_rows(); ++row)
      EXPECT_EQ(cache.is_nan_row(row), token_of_row[static_cast<size_t>(row)] < 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, MlaTest, testing::ValuesIn(ops_cases()), case_name);

TEST_P(MlaTest, AbsorbQuery) {
  for (int round = 0; round < kRounds; ++round) {
    const Mla mla = random_mla(random_);
    const TestStep step(*backend_, random_, {{0, random_.integer(1, 6)}, {50, 3}}, 4, 5);
    const int num_tokens = step.num_tokens();
    const bool interleave = round % 2 == 0;
    const Numbers q = filled(num_tokens, mla.heads * mla.head_dim());
    const Numbers w_uk = filled_stack(mla.heads, mla.latent, mla.nope, weight_scale(mla.nope));
    const Numbers table = rope_of(step, mla.rope);
    Numbers q_row = numbers(num_tokens, mla.heads * mla.kv_row());
    const std::vector<int> rows = some_rows(random_, num_tokens);
    const auto run = [&](const std::vector<int>& listed, Matrix of, Matrix cos_sin, Matrix out) {
      const Integers list(*backend_, listed);
      backend_->mla_absorb_query(of, w_uk.stack(mla.heads), {cos_sin, interleave}, list.list(),
                                 out);
    };
    run(rows, q.view(), table.view(), q_row.view());
    expect_near(q_row, rows, [&](int t, int c) {
      const int h = c / mla.kv_row(), i = c % mla.kv_row(), begin = h * mla.head_dim();
      if (i < mla.latent) return dot(q, t, begin, w_uk, h * mla.latent + i);
      return rotated(q, t, begin + mla.nope, mla.rope, i - mla.latent, step.position(t),
                     interleave);
    });
    expect_only_listed(q_row, rows);
    expect_same_alone(q_row, rows,
                      [&](int t, Matrix out) { run({0}, q.row(t), table.row(t), out); });
  }
}

// One op or two: the rows around the chunks in which a fused kernel takes them, in sizes that it
// takes and that it leaves to the two.
TEST_P(MlaTest, QueryHasTheBitsOfItsTwoOps) {
  struct Size {
    int heads, q_rank, nope, rope, latent;
  };
  for (const Size& size : {Size{3, 128, 192, 64, 512}, Size{2, 768, 192, 64, 512},
                           Size{2, 512, 192, 64, 512}, Size{2, 64, 64, 32, 128}}) {
    for (const int num_rows : {1, 7, 8, 9, 16, 17, 33, 64, 65, 130, 257}) {
      SCOPED_TRACE(cat(size.heads, " heads, q_lora_rank ", size.q_rank, ", ", num_rows, " rows"));
      const bool interleave = num_rows % 2 == 1;
      const TestStep step(*backend_, random_, {{3, num_rows}}, 64, 5);
      const auto make = [&](int cols) {
        return Numbers(*backend_, type(), num_rows, cols, kAlignedGap);
      };
      const int head_dim = size.nope + size.rope, kv_row = size.latent + size.rope;
      Numbers c_q = make(size.q_rank), q = make(size.heads * head_dim);
      c_q.fill(random_);
      Numbers together = make(size.heads * kv_row), apart = make(size.heads * kv_row);
      const Numbers w_q_b = weights(size.heads * head_dim, size.q_rank, weight_scale(size.q_rank));
      const Numbers w_uk =
          filled_stack(size.heads, size.latent, size.nope, weight_scale(size.nope));
      const Numbers table = rope_of(step, size.rope);
      const Rotation rotation{table.view(), interleave};
      const Integers rows(*backend_, all_rows(num_rows));
      backend_->linear(c_q.view(), w_q_b.view(), q.view());
      backend_->mla_absorb_query(q.view(), w_uk.stack(size.heads), rotation, rows.list(),
                                 apart.view());
      backend_->mla_query(c_q.view(), w_q_b.view(), w_uk.stack(size.heads), rotation, rows.list(),
                          q.view(), together.view());
      apart.download();
      together.download();
      for (int t = 0; t < num_rows; ++t) EXPECT_TRUE(together.same_row(t, apart, t)) << "row " << t;
      EXPECT_TRUE(together.gaps_are_nan());
    }
  }
}

TEST_P(MlaTest, ExpandOutput) {
  for (int round = 0; round < kRounds; ++round) {
    const Mla mla = random_mla(random_);
    const int num_tokens = random_.integer(1, 9);
    const Numbers latents = filled(num_tokens, mla.heads * mla.latent);
    const Numbers w_uv = filled_stack(mla.heads, mla.v, mla.latent, weight_scale(mla.latent));
    Numbers out = numbers(num_tokens, mla.heads * mla.v);
    const std::vector<int> rows = some_rows(random_, num_tokens);
    const auto run = [&](const std::vector<int>& listed, Matrix of, Matrix o) {
      const Integers list(*backend_, listed);
      backend_->mla_expand_output(of, w_uv.stack(mla.heads), list.list(), o);
    };
    run(rows, latents.view(), out.view());
    expect_near(out, rows,
                [&](int t, int c) { return dot(latents, t, c / mla.v * mla.latent, w_uv, c); });
    expect_only_listed(out, rows);
    expect_same_alone(out, rows, [&](int t, Matrix o) { run({0}, latents.row(t), o); });
  }
}

TEST_P(MlaTest, AttendSeesTheSequencesRowsUpToItself) {
  for (int round = 0; round < kRounds; ++round) {
    const Mla mla = random_mla(random_);
    const TestStep step(*backend_, random_, random_sequences(random_), mla.page_size, 5);
    const Numbers cache = filled_cache(step, mla);
    const Numbers q_row = filled(step.num_tokens(), mla.heads * mla.kv_row());
    Numbers out = numbers(step.num_tokens(), mla.heads * mla.latent);
    const std::vector<int> rows = some_rows(random_, step.num_tokens());
    const auto run = [&](const StepView& view, const std::vector<int>& listed, Matrix q, Matrix o) {
      const Integers list(*backend_, listed);
      backend_->plan_attend(view, list.list(), step.cache(cache));
      backend_->mla_attend(view, q, mla.heads, step.cache(cache), mla.scale, list.list(), o);
    };
    run(step.view(), rows, q_row.view(), out.view());
    const auto weights = [&](int t, int h) {
      std::vector<double> scores;
      for (int p = 0; p <= step.position(t); ++p)
        scores.push_back(mla.scale * dot(q_row, t, h * mla.kv_row(), cache, step.kv_row(t, p)));
      return softmax(scores);
    };
    std::vector<double> shares;
    expect_near(out, rows, [&](int t, int c) {
      if (c % mla.latent == 0) shares = weights(t, c / mla.latent);
      double sum = 0;
      for (int p = 0; p <= step.position(t); ++p)
        sum += shares[static_cast<size_t>(p)] * cache.at(step.kv_row(t, p), c % mla.latent);
      return sum;
    });
    expect_only_listed(out, rows);
    expect_same_alone(out, rows,
                      [&](int t, Matrix o) { run(step.view(t, 1), {0}, q_row.row(t), o); });
  }
}

// Rows that fill a recorded step, after two of a sequence: general sizes, then the model's.
TEST_P(MlaTest, RowsOfNoSequenceAttendToNothingAndWriteNothing) {
  for (const int latent : {24, 512}) {
    const Mla mla{.heads = 2,
                  .nope = 16,
                  .rope = latent == 512 ? 64 : 8,
                  .latent = latent,
                  .v = 16,
                  .page_size = latent == 512 ? 64 : 4,
                  .scale = 0.1f};
    const TestStep step(*backend_, random_, {{3, 2}, {0, 2}}, mla.page_size, 5);
    const Integers sequences(*backend_, {0, 0, -1, -1});
    StepView view = step.view();
    view.token_sequence = sequences.data();
    Numbers cache = filled_cache(step, mla);
    const Numbers before = cache.copy();
    const int q_rank = 24;
    const Numbers qkv_a = filled(4, q_rank + mla.kv_row()), norm = filled(1, latent);
    const Numbers q_norm = filled(1, q_rank), c_q = numbers(4, q_rank);
    const Numbers table = rope_of(step, mla.rope);
    backend_->split_qkv_a(view, qkv_a.view(), {q_norm.view(), norm.view(), 1e-5f},
                          {table.view(), true}, c_q.view(), step.cache(cache));
    cache.download();
    for (int row = 0; row < cache.num_rows(); ++row) {
      const bool is_written = row == step.kv_row(0, 3) || row == step.kv_row(0, 4);
      EXPECT_EQ(cache.same_row(row, before, row), !is_written) << "cache row " << row;
    }
    Numbers q_row(*backend_, type(), 4, mla.heads * mla.kv_row(), kAlignedGap);
    q_row.fill(random_);
    Numbers out = numbers(4, mla.heads * latent), alone = numbers(4, mla.heads * latent);
    const Integers rows(*backend_, {0, 1, 2, 3}), first(*backend_, {0, 1});
    const KvPages kv = step.cache(cache);
    backend_->plan_attend(view, rows.list(), kv);
    backend_->mla_attend(view, q_row.view(), mla.heads, kv, mla.scale, rows.list(), out.view());
    backend_->plan_attend(view, first.list(), kv);
    backend_->mla_attend(view, q_row.view(), mla.heads, kv, mla.scale, first.list(), alone.view());
    out.download();
    alone.download();
    for (const int t : {0, 1}) EXPECT_TRUE(out.same_row(t, alone, t)) << "row " << t;
    for (const int t : {2, 3})
      for (int c = 0; c < mla.heads * latent; ++c) EXPECT_EQ(out.at(t, c), 0) << "row " << t;
  }
}

TEST_P(MlaTest, AttendExpanded) {
  for (int round = 0; round < kRounds; ++round) {
    const Mla mla = random_mla(random_);
    const TestStep step(*backend_, random_, random_sequences(random_), mla.page_size, 5);
    const Numbers cache = filled_cache(step, mla);
    const Numbers q = filled(step.num_tokens(), mla.heads * mla.head_dim());
    const Numbers w_uk = filled_stack(mla.heads, mla.latent, mla.nope, weight_scale(mla.latent));
    const Numbers w_uv = filled_stack(mla.heads, mla.v, mla.latent, weight_scale(mla.latent));
    Numbers out = numbers(step.num_tokens(), mla.heads * mla.v);
    const std::vector<int> rows = some_rows(random_, step.num_tokens());
    const auto run = [&](const StepView& view, const std::vector<int>& listed, Matrix of,
                         Matrix o) {
      const Integers list(*backend_, listed);
      backend_->mla_attend_expanded(view, of, w_uk.stack(mla.heads), w_uv.stack(mla.heads),
                                    step.cache(cache), mla.scale, list.list(), o);
    };
    run(step.view(), rows, q.view(), out.view());
    const auto key = [&](int h, int row, int i) {
      if (i >= mla.nope) return cache.at(row, mla.latent + i - mla.nope);
      double sum = 0;
      for (int j = 0; j < mla.latent; ++j) sum += w_uk.at(h * mla.latent + j, i) * cache.at(row, j);
      return sum;
    };
    std::vector<double> shares;
    const auto weights = [&](int t, int h) {
      std::vector<double> scores;
      for (int p = 0; p <= step.position(t); ++p) {
        double sum = 0;
        for (int i = 0; i < mla.head_dim(); ++i)
          sum += q.at(t, h * mla.head_dim() + i) * key(h, step.kv_row(t, p), i);
        scores.push_back(mla.scale * sum);
      }
      return softmax(scores);
    };
    expect_near(out, rows, [&](int t, int c) {
      if (c % mla.v == 0) shares = weights(t, c / mla.v);
      double sum = 0;
      for (int p = 0; p <= step.position(t); ++p)
        sum += shares[static_cast<size_t>(p)] * dot(cache, step.kv_row(t, p), 0, w_uv, c);
      return sum;
    });
    expect_only_listed(out, rows);
    expect_same_alone(out, rows, [&](int t, Matrix o) { run(step.view(t, 1), {0}, q.row(t), o); });
  }
}

// The identity that the absorbed form rests on.
TEST_P(MlaTest, AbsorbedAgreesWithExpanded) {
  if (type() != NumberType::kF32) GTEST_SKIP() << "an identity of exact numbers";
  for (int round = 0; round < kRounds; ++round) {
    const Mla mla = random_mla(random_);
    const TestStep step(*backend_, random_, random_sequences(random_), mla.page_size, 5);
    const int num_tokens = step.num_tokens();
    const Numbers cache = filled_cache(step, mla);
    const Numbers unrotated = filled(num_tokens, mla.heads * mla.head_dim());
    const Numbers q = unrotated.copy(), table = rope_of(step, mla.rope);
    const Numbers w_uk = filled_stack(mla.heads, mla.latent, mla.nope, weight_scale(mla.latent));
    const Numbers w_uv = filled_stack(mla.heads, mla.v, mla.latent, weight_scale(mla.latent));
    const Numbers q_row = numbers(num_tokens, mla.heads * mla.kv_row());
    const Numbers o_latent = numbers(num_tokens, mla.heads * mla.latent);
    Numbers absorbed = numbers(num_tokens, mla.heads * mla.v);
    Numbers expanded = numbers(num_tokens, mla.heads * mla.v);
    const Integers rows(*backend_, all_rows(num_tokens));
    const KvPages kv = step.cache(cache);
    const Rotation rotation{table.view(), true};
    backend_->mla_absorb_query(unrotated.view(), w_uk.stack(mla.heads), rotation, rows.list(),
                               q_row.view());
    backend_->rope_query(q.view(), mla.heads, rotation, rows.list());
    backend_->plan_attend(step.view(), rows.list(), kv);
    backend_->mla_attend(step.view(), q_row.view(), mla.heads, kv, mla.scale, rows.list(),
                         o_latent.view());
    backend_->mla_expand_output(o_latent.view(), w_uv.stack(mla.heads), rows.list(),
                                absorbed.view());
    backend_->mla_attend_expanded(step.view(), q.view(), w_uk.stack(mla.heads),
                                  w_uv.stack(mla.heads), kv, mla.scale, rows.list(),
                                  expanded.view());
    absorbed.download();
    expect_near(expanded, [&](int t, int c) { return absorbed.at(t, c); });
  }
}

}  // namespace
}  // namespace glint
