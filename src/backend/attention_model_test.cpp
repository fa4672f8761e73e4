// Attention at the real model's sizes, where fast kernels take over, against its definition in
// double.

#include "backend/attention_fixture.h"

namespace glint {
namespace {

// The real model's attention, where fast kernels take over. They may round the softmax's weights to
// BF16, as transformers does: each by up to 2^-8 of itself, and the result once more.
struct Weighted {
  double sum = 0, magnitude = 0;  // of weight * value and of its absolute value
  void add(double weight, double value) {
    sum += weight * value;
    magnitude += std::abs(weight * value);
  }
};

void expect_within_rounding(Numbers& out, const std::vector<int>& rows,
                            const std::function<Weighted(int, int)>& reference) {
  out.download();
  const double relative = out.view().type == NumberType::kBf16 ? 0x1p-7 : 0x1p-17;
  for (const int r : rows)
    for (int c = 0; c < out.num_cols(); ++c) {
      const Weighted expected = reference(r, c);
      ASSERT_NEAR(out.at(r, c), expected.sum, relative * expected.magnitude + 0x1p-17)
          << "row " << r << ", column " << c;
    }
  EXPECT_TRUE(out.gaps_are_nan());
}

struct LargeCase {
  int heads;
  std::vector<TestSequence> sequences;
};

// Decode rows, one a sequence, of up to max_length cached rows.
std::vector<TestSequence> decoding(Random& random, int rows, int max_length) {
  std::vector<TestSequence> sequences(static_cast<size_t>(rows));
  for (TestSequence& sequence : sequences) sequence = {random.integer(0, max_length - 1), 1};
  return sequences;
}

Mla mla_of_the_model(int heads) {
  return {.heads = heads,
          .nope = 192,
          .rope = 64,
          .latent = 512,
          .v = 256,
          .page_size = 64,
          .scale = 1.0f / 16};
}

// Lengths around those at which rows may be cut; many rows, which may be cut otherwise than each
// alone, and several of a sequence.
TEST_P(MlaTest, AttendAtTheModelsSizes) {
  const std::vector<TestSequence> edges{{0, 1}, {62, 3}, {126, 3}, {254, 3}, {510, 3}, {1022, 3}};
  const std::vector<LargeCase> cases{
      {20, edges},
      {20, {{1500, 1}}},
      {2, {{5, 1}, {300, 1}}},
      {10, {{700, 1}}},
      {1, {{4700, 1}}},
      {1, {{2046, 3}, {8190, 3}}},
      {4, edges},
      {8, {{62, 3}, {254, 3}, {1500, 1}}},
      {24, {{62, 3}, {254, 3}, {700, 1}}},
      {32, {{130, 1}, {600, 2}}},
      {1, {{990, 64}, {3, 2}}},
      {1, {{1000, 130}, {0, 3}}},
      {1, decoding(random_, 70, 900)},
      {1, decoding(random_, 150, 400)},
      {2, decoding(random_, 256, 150)},
  };
  for (const LargeCase& large : cases) {
    const Mla mla = mla_of_the_model(large.heads);
    const TestStep step(*backend_, random_, large.sequences, mla.page_size, 5);
    const Numbers cache = filled_cache(step, mla);
    Numbers q_row(*backend_, type(), step.num_tokens(), mla.heads * mla.kv_row(), kAlignedGap);
    q_row.fill(random_);
    Numbers out = numbers(step.num_tokens(), mla.heads * mla.latent);
    const std::vector<int> rows = all_rows(step.num_tokens());
    const auto run = [&](const StepView& view, const std::vector<int>& listed, Matrix q, Matrix o) {
      const Integers list(*backend_, listed);
      backend_->plan_attend(view, list.list(), step.cache(cache));
      backend_->mla_attend(view, q, mla.heads, step.cache(cache), mla.scale, list.list(), o);
    };
    run(step.view(), rows, q_row.view(), out.view());
    std::vector<Weighted> sums;
    expect_within_rounding(out, rows, [&](int t, int c) {
      const int h = c / mla.latent;
      if (c % mla.latent == 0) {
        std::vector<double> scores;
        for (int p = 0; p <= step.position(t); ++p)
          scores.push_back(mla.scale * dot(q_row, t, h * mla.kv_row(), cache, step.kv_row(t, p)));
        scores = softmax(scores);
        sums.assign(static_cast<size_t>(mla.latent), {});
        for (int p = 0; p <= step.position(t); ++p)
          for (int i = 0; i < mla.latent; ++i)
            sums[static_cast<size_t>(i)].add(scores[static_cast<size_t>(p)],
                                             cache.at(step.kv_row(t, p), i));
      }
      return sums[static_cast<size_t>(c % mla.latent)];
    });
    expect_same_alone(out, rows,
                      [&](int t, Matrix o) { run(step.view(t, 1), {0}, q_row.row(t), o); });
  }
}

// One op or two, for rows of one part and of many, one alone, more than a fused kernel takes, and a
// row of no sequence at the end. Rows that are not listed are left alone. The one comes first: no
// parts lie about that the two have made.
TEST_P(MlaTest, AttendOutputHasTheBitsOfItsTwoOps) {
  const std::vector<LargeCase> cases{
      {20, {{1500, 1}}},
      {2, {{0, 1}, {63, 1}, {64, 1}}},
      {3, {{2046, 3}, {8190, 3}}},
      {1, {{17'000, 1}, {70, 1}}},
      {3, decoding(random_, 8, 900)},
      {2, {{300, 9}}},
      {20, decoding(random_, 16, 600)},
      {2, decoding(random_, 17, 300)},
      {2, decoding(random_, 40, 300)},
      {32, {{130, 1}, {600, 2}}},
  };
  for (const LargeCase& large : cases) {
    const Mla mla = mla_of_the_model(large.heads);
    std::vector<TestSequence> with_one_more = large.sequences;
    with_one_more.push_back({0, 1});
    const TestStep step(*backend_, random_, with_one_more, mla.page_size, 5);
    const int num_tokens = step.num_tokens();
    std::vector<int> sequence_of(static_cast<size_t>(num_tokens));
    for (int t = 0; t < num_tokens; ++t) sequence_of[static_cast<size_t>(t)] = step.sequence(t);
    sequence_of.back() = -1;
    const Integers sequences(*backend_, sequence_of);
    StepView view = step.view();
    view.token_sequence = sequences.data();
    const Numbers cache = filled_cache(step, mla);
    const KvPages kv = step.cache(cache);
    const Numbers w_uv = filled_stack(mla.heads, mla.v, mla.latent, weight_scale(mla.latent));
    Numbers q_row(*backend_, type(), num_tokens, mla.heads * mla.kv_row(), kAlignedGap);
    q_row.fill(random_);
    for (const std::vector<int>& listed :
         {all_rows(num_tokens), some_rows(random_, num_tokens), std::vector<int>{0}}) {
      SCOPED_TRACE(cat(mla.heads, " heads, ", listed.size(), " rows of ", num_tokens));
      const Integers rows(*backend_, listed);
      const auto make = [&](int cols) {
        return Numbers(*backend_, type(), num_tokens, cols, kAlignedGap);
      };
      Numbers apart = make(mla.heads * mla.v), together = make(mla.heads * mla.v);
      const Numbers first = make(mla.heads * mla.latent), second = make(mla.heads * mla.latent);
      backend_->plan_attend(view, rows.list(), kv);
      backend_->mla_attend_output(view, q_row.view(), w_uv.stack(mla.heads), kv, mla.scale,
                                  rows.list(), first.view(), together.view());
      backend_->mla_attend(view, q_row.view(), mla.heads, kv, mla.scale, rows.list(),
                           second.view());
      backend_->mla_expand_output(second.view(), w_uv.stack(mla.heads), rows.list(), apart.view());
      apart.download();
      together.download();
      expect_only_listed(together, listed);
      for (const int t : listed) EXPECT_TRUE(together.same_row(t, apart, t)) << "row " << t;
      EXPECT_TRUE(together.gaps_are_nan());
    }
  }
}

// One sequence's numbers are nobody else's, whatever is computed after them in the same place.
TEST_P(MlaTest, AttendKeepsANanInItsSequence) {
  const Mla mla = mla_of_the_model(2);
  const TestStep step(*backend_, random_, decoding(random_, 300, 150), mla.page_size, 5);
  Numbers cache = filled_cache(step, mla);
  Numbers q_row(*backend_, type(), step.num_tokens(), mla.heads * mla.kv_row(), kAlignedGap);
  q_row.fill(random_);
  const Integers rows(*backend_, all_rows(step.num_tokens()));
  const auto attended = [&] {
    Numbers out = numbers(step.num_tokens(), mla.heads * mla.latent);
    backend_->plan_attend(step.view(), rows.list(), step.cache(cache));
    backend_->mla_attend(step.view(), q_row.view(), mla.heads, step.cache(cache), mla.scale,
                         rows.list(), out.view());
    out.download();
    return out;
  };
  const Numbers before = attended();
  for (int t = 0; t < step.num_tokens(); t += 2) {
    const int row = step.kv_row(t, random_.integer(0, step.position(t)));
    for (int c = 0; c < mla.kv_row(); ++c) cache.set(row, c, Numbers::kNan);
  }
  cache.upload();
  const Numbers after = attended();
  for (int t = 0; t < step.num_tokens(); ++t) {
    const bool has_nan = t % 2 == 0;
    EXPECT_EQ(std::isnan(after.at(t, 0)), has_nan) << "row " << t;
    EXPECT_EQ(after.same_row(t, before, t), !has_nan) << "row " << t;
  }
}

// A step plans before its layers write their KV rows, and a backend may fetch others before that.
TEST_P(MlaTest, AttendSeesTheRowsThatItsStepWrites) {
  const Mla mla = mla_of_the_model(2);
  const TestStep step(
      *backend_, random_,
      {{0, 1}, {63, 1}, {64, 1}, {65, 1}, {127, 2}, {126, 3}, {300, 1}, {511, 2}, {700, 5}},
      mla.page_size, 5);
  const int num_tokens = step.num_tokens(), q_rank = 24;
  Numbers cache = filled_cache(step, mla);
  for (int t = 0; t < num_tokens; ++t)
    for (int c = 0; c < mla.kv_row(); ++c)
      cache.set(step.kv_row(t, step.position(t)), c, Numbers::kNan);
  cache.upload();
  const Numbers qkv_a = filled(num_tokens, q_rank + mla.kv_row()), norm = filled(1, mla.latent);
  const Numbers q_norm = filled(1, q_rank), c_q = numbers(num_tokens, q_rank);
  const Numbers table = rope_of(step, mla.rope);
  Numbers q_row(*backend_, type(), num_tokens, mla.heads * mla.kv_row(), kAlignedGap);
  q_row.fill(random_);
  Numbers first = numbers(num_tokens, mla.heads * mla.latent), again = first.copy();
  const Integers rows(*backend_, all_rows(num_tokens));
  const auto attend = [&](Matrix out) {
    backend_->mla_attend(step.view(), q_row.view(), mla.heads, step.cache(cache), mla.scale,
                         rows.list(), out);
  };
  backend_->plan_attend(step.view(), rows.list(), step.cache(cache));
  backend_->split_qkv_a(step.view(), qkv_a.view(), {q_norm.view(), norm.view(), 1e-5f},
                        {table.view(), true}, c_q.view(), step.cache(cache));
  attend(first.view());
  attend(again.view());
  first.download();
  again.download();
  for (int t = 0; t < num_tokens; ++t) {
    EXPECT_FALSE(std::isnan(first.at(t, 0))) << "row " << t;
    EXPECT_TRUE(first.same_row(t, again, t)) << "row " << t;
  }
}

// Prompts at the real model's sizes. Fast kernels round keys and values to BF16, as transformers
// does; so does the reference.
class PromptTest : public MlaTest {
 protected:
  double stored(double x) const {
    const auto value = static_cast<float>(x);
    return type() == NumberType::kBf16 ? to_float(to_bf16(value)) : value;
  }
  // Where sequences and tiles begin and end, and a few between.
  static std::vector<int> rows_to_check(const std::vector<TestSequence>& sequences) {
    std::vector<int> rows;
    int begin = 0;
    for (const TestSequence& sequence : sequences) {
      for (int i = 0; i < sequence.extend_len; ++i) {
        const int position = sequence.cached_len + i;
        const bool is_edge = i < 2 || i >= sequence.extend_len - 2 || i % 64 == 0 ||
                             position % 80 == 79 || position % 80 == 0;
        if (is_edge || i % 97 == 50) rows.push_back(begin + i);
      }
      begin += sequence.extend_len;
    }
    return rows;
  }
  void check(int heads, const std::vector<TestSequence>& sequences);
};

INSTANTIATE_TEST_SUITE_P(Each, PromptTest, testing::ValuesIn(prompt_cases()), case_name);

// One head's keys and values of a sequence, [position][number].
struct ReferenceHead {
  std::vector<double> keys, values;
};

ReferenceHead reference_head(const Mla& mla, const Numbers& cache, const std::vector<int>& kv_rows,
                             const Numbers& w_uk, const Numbers& w_uv, int h,
                             const std::function<double(double)>& stored) {
  const size_t rows = kv_rows.size();
  const auto head_dim = static_cast<size_t>(mla.head_dim()), v = static_cast<size_t>(mla.v);
  ReferenceHead head{std::vector<double>(rows * head_dim), std::vector<double>(rows * v)};
  for (size_t p = 0; p < rows; ++p) {
    std::vector<double> key(head_dim);
    for (int j = 0; j < mla.latent; ++j)
      for (int i = 0; i < mla.nope; ++i)
        key[static_cast<size_t>(i)] += cache.at(kv_rows[p], j) * w_uk.at(h * mla.latent + j, i);
    for (int i = 0; i < mla.rope; ++i)
      key[static_cast<size_t>(mla.nope + i)] = cache.at(kv_rows[p], mla.latent + i);
    for (size_t i = 0; i < head_dim; ++i) head.keys[p * head_dim + i] = stored(key[i]);
    for (int i = 0; i < mla.v; ++i)
      head.values[p * v + static_cast<size_t>(i)] =
          stored(dot(cache, kv_rows[p], 0, w_uv, h * mla.v + i));
  }
  return head;
}

void PromptTest::check(int heads, const std::vector<TestSequence>& sequences) {
  const Mla mla = mla_of_the_model(heads);
  const TestStep step(*backend_, random_, sequences, mla.page_size, 5);
  const Numbers cache = filled_cache(step, mla);
  Numbers q(*backend_, type(), step.num_tokens(), heads * mla.head_dim(), kAlignedGap);
  q.fill(random_);
  const Numbers w_uk = filled_stack(heads, mla.latent, mla.nope, weight_scale(mla.latent));
  const Numbers w_uv = filled_stack(heads, mla.v, mla.latent, weight_scale(mla.latent));
  Numbers out(*backend_, type(), step.num_tokens(), heads * mla.v, kAlignedGap);
  const auto run = [&](const StepView& view, Matrix of, Matrix o) {
    const Integers list(*backend_, all_rows(view.num_tokens));
    backend_->mla_attend_expanded(view, of, w_uk.stack(heads), w_uv.stack(heads), step.cache(cache),
                                  mla.scale, list.list(), o);
  };
  run(step.view(), q.view(), out.view());
  out.download();

  const std::vector<int> checked = rows_to_check(sequences);
  int begin = 0;
  for (const TestSequence& sequence : sequences) {
    const int end = begin + sequence.extend_len;
    std::vector<int> kv_rows, rows;
    for (int p = 0; p < sequence.cached_len + sequence.extend_len; ++p)
      kv_rows.push_back(step.kv_row(begin, p));
    for (const int r : checked)
      if (r >= begin && r < end) rows.push_back(r);
    for (int h = 0; h < heads; ++h) {
      const ReferenceHead head =
          reference_head(mla, cache, kv_rows, w_uk, w_uv, h, [&](double x) { return stored(x); });
      for (const int t : rows) {
        std::vector<double> scores;
        for (int p = 0; p <= step.position(t); ++p) {
          double sum = 0;
          for (int i = 0; i < mla.head_dim(); ++i)
            sum += q.at(t, h * mla.head_dim() + i) *
                   head.keys[static_cast<size_t>(p * mla.head_dim() + i)];
          scores.push_back(mla.scale * sum);
        }
        scores = softmax(scores);
        std::vector<Weighted> sums(static_cast<size_t>(mla.v));
        for (int p = 0; p <= step.position(t); ++p)
          for (int i = 0; i < mla.v; ++i)
            sums[static_cast<size_t>(i)].add(scores[static_cast<size_t>(p)],
                                             head.values[static_cast<size_t>(p * mla.v + i)]);
        for (int i = 0; i < mla.v; ++i) {
          const Weighted& expected = sums[static_cast<size_t>(i)];
          // Keys that round the other way than the reference's cost another 2^-9.
          ASSERT_NEAR(
              out.at(t, h * mla.v + i), expected.sum,
              (type() == NumberType::kBf16 ? 0x1p-7 : 0x1p-16) * expected.magnitude + 0x1p-16)
              << "row " << t << " at position " << step.position(t) << ", head " << h << ", column "
              << i;
        }
      }
    }
    Numbers alone = numbers(sequence.extend_len, heads * mla.v);
    run(step.view(begin, sequence.extend_len), q.rows(begin, sequence.extend_len), alone.view());
    alone.download();
    for (int i = 0; i < sequence.extend_len; ++i)
      ASSERT_TRUE(out.same_row(begin + i, alone, i)) << "sequence alone, row " << begin + i;
    begin = end;
  }
  EXPECT_TRUE(out.gaps_are_nan());
  std::vector<int> alone;
  for (size_t i = 0; i < checked.size(); i += is_slow() ? 16 : 1) alone.push_back(checked[i]);
  expect_same_alone(out, alone, [&](int t, Matrix o) { run(step.view(t, 1), q.row(t), o); });
}

TEST_P(PromptTest, AttendExpandedAtTheModelsSizes) {
  check(2, {{0, 1}, {0, 63}, {64, 64}, {3, 65}, {0, 127}, {190, 129}});
  check(2, {{0, 300}, {79, 1}, {80, 1}, {320, 81}});
}

TEST_P(PromptTest, AttendExpandedOfManyHeadsAndLongContexts) {
  if (is_slow())
    GTEST_SKIP() << "the CPU has one path, which the smaller cases check; these take minutes on it";
  check(20, {{0, 1}, {129, 130}, {700, 300}});
  check(2, {{0, 1000}, {1000, 65}});
  check(32, {{100, 70}});
}

TEST_P(PromptTest, AttendExpandedOfMorePromptsThanALaunchHas) {
  if (is_slow())
    GTEST_SKIP() << "the CPU has one path, which the smaller cases check; these take minutes on it";
  std::vector<TestSequence> sequences;
  for (int i = 0; i < 70; ++i) sequences.push_back({i % 7 * 20, i % 11 + 1});
  check(1, sequences);
}

}  // namespace
}  // namespace glint
