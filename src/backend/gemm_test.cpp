// Products at the sizes that fast kernels take (columns in multiples of 64, rows of 16 aligned
// bytes), for numbers of rows around the edges of their tiles.

#include "backend/ops_fixture.h"

namespace glint {
namespace {

class GemmTest : public OpsTest {
 protected:
  static constexpr int kGap = 8;  // numbers: rows stay aligned to 16 bytes
  Numbers aligned(int rows, int cols) { return {*backend_, type(), rows, cols, kGap}; }
  Numbers filled_aligned(int rows, int cols) {
    return std::move(aligned(rows, cols).fill(random_));
  }
  // [rows, cols] without gaps, as weights lie.
  Numbers weights(int rows, int cols) {
    return std::move(Numbers(*backend_, type(), rows, cols, 0).fill(random_, weight_scale(cols)));
  }
  // The row rule: op(begin, count, out) computes rows [begin, begin + count), as the whole batch
  // did.
  void expect_same_in_pieces(Numbers& batch, const std::function<void(int, int, Matrix)>& op) {
    constexpr int kPiece = 60;
    batch.download();
    Numbers piece(*backend_, batch.view().type, kPiece, batch.num_cols(), kGap);
    for (int begin = 0; begin < batch.num_rows(); begin += kPiece) {
      const int count = std::min(kPiece, batch.num_rows() - begin);
      op(begin, count, piece.rows(0, count));
      piece.download();
      for (int i = 0; i < count; ++i)
        ASSERT_TRUE(batch.same_row(begin + i, piece, i)) << "row " << begin + i << " differs";
    }
  }
  std::vector<int> first_and_last(int rows) {
    return rows == 1 ? std::vector<int>{0} : std::vector<int>{0, rows / 2, rows - 1};
  }
};

INSTANTIATE_TEST_SUITE_P(Each, GemmTest, testing::ValuesIn(ops_cases()), case_name);

constexpr int kRowCounts[] = {1,  7,  8,   9,   16,  17,  32,  33,  64,
                              65, 72, 104, 128, 130, 192, 193, 256, 300};

TEST_P(GemmTest, Linear) {
  for (const int rows : kRowCounts) {
    const int in = 64 * random_.integer(1, 12), features = 8 * random_.integer(1, 40);
    const Numbers x = filled_aligned(rows, in), w = weights(features, in);
    for (const NumberType out_type : {type(), NumberType::kF32}) {
      Numbers out(*backend_, out_type, rows, features);
      backend_->linear(x.view(), w.view(), out.view());
      expect_near(out, [&](int t, int i) { return dot(x, t, 0, w, i); });
      expect_same_alone(out, first_and_last(rows),
                        [&](int t, Matrix o) { backend_->linear(x.row(t), w.view(), o); });
    }
  }
}

// k in parts: of a narrow matrix with few rows by the blocks of a cluster, of many rows one by one.
TEST_P(GemmTest, LinearWithManyInputs) {
  for (const int rows : kRowCounts) {
    const int in = 1024 * random_.integer(1, 4), features = 8 * random_.integer(1, 40);
    const Numbers x = filled_aligned(rows, in), w = weights(features, in);
    for (const NumberType out_type : {type(), NumberType::kF32}) {
      Numbers out(*backend_, out_type, rows, features);
      backend_->linear(x.view(), w.view(), out.view());
      expect_near(out, first_and_last(rows), [&](int t, int i) { return dot(x, t, 0, w, i); });
      expect_same_alone(out, first_and_last(rows),
                        [&](int t, Matrix o) { backend_->linear(x.row(t), w.view(), o); });
    }
  }
}

TEST_P(GemmTest, LinearSwiglu) {
  for (const int rows : kRowCounts) {
    const int in = 64 * random_.integer(1, 6), width = 8 * random_.integer(1, 30);
    const Numbers x = filled_aligned(rows, in), w = weights(2 * width, in);
    Numbers out = aligned(rows, width);
    backend_->linear_swiglu(x.view(), w.view(), out.view());
    expect_near(
        out, [&](int t, int i) { return silu(dot(x, t, 0, w, i)) * dot(x, t, 0, w, width + i); });
    expect_same_alone(out, first_and_last(rows),
                      [&](int t, Matrix o) { backend_->linear_swiglu(x.row(t), w.view(), o); });
  }
}

// As many rows as fast kernels take in large tiles, of all the sizes that they choose for 132
// multiprocessors; with k in parts where a matrix has many inputs. Outputs that take whole stores,
// and others.
TEST_P(GemmTest, LinearOfManyRows) {
  struct Case {
    int in, features;
    std::vector<int> rows;
  };
  const std::vector<Case> cases{
      {128, 2560, {129, 300}},
      {64, 5120, {130, 190, 230, 280, 330, 380, 430, 470, 520, 570, 620, 660, 710, 760, 900, 2100}},
      {192, 1344, {500}},
      {64, 2056, {777, 1439}},
      {64, 17'000, {64, 66, 100, 128}},
      {1024, 1344, {200, 450, 1030}},
      {1024,
       2048,
       {66, 72, 100, 104, 105, 128, 263, 420, 560, 700, 830, 960, 1100, 1250, 1380, 1500}},
      {2048, 64, {700, 4300}},
      {512, 200, {1000}},
  };
  for (const Case& c : cases)
    for (const int rows : c.rows) {
      if (is_slow() && rows > 200) continue;
      const Numbers x = filled_aligned(rows, c.in), w = weights(c.features, c.in);
      for (const NumberType out_type : {type(), NumberType::kF32})
        for (const int gap : {kGap, 3}) {
          Numbers out(*backend_, out_type, rows, c.features, gap);
          backend_->linear(x.view(), w.view(), out.view());
          expect_near(out, first_and_last(rows), [&](int t, int i) { return dot(x, t, 0, w, i); });
          expect_same_in_pieces(out, [&](int begin, int count, Matrix o) {
            backend_->linear(x.rows(begin, count), w.view(), o);
          });
        }
    }
}

TEST_P(GemmTest, LinearSwigluOfManyRows) {
  for (const int rows : {100, 150, 600, 1100, 1300}) {
    if (is_slow() && rows > 150) continue;
    // A wide matrix takes large tiles from fewer rows on.
    const int in = 64, width = 8 * (rows == 100 ? 1060 : random_.integer(100, 200));
    const Numbers x = filled_aligned(rows, in), w = weights(2 * width, in);
    for (const int gap : {kGap, 3}) {
      Numbers out(*backend_, type(), rows, width, gap);
      backend_->linear_swiglu(x.view(), w.view(), out.view());
      expect_near(out, first_and_last(rows), [&](int t, int i) {
        return silu(dot(x, t, 0, w, i)) * dot(x, t, 0, w, width + i);
      });
      expect_same_in_pieces(out, [&](int begin, int count, Matrix o) {
        backend_->linear_swiglu(x.rows(begin, count), w.view(), o);
      });
    }
  }
}

// By head, of all rows there are.
TEST_P(GemmTest, Heads) {
  constexpr int kHeads = 3, kLatent = 192, kV = 72;
  const Numbers w = weights(kHeads * kV, kLatent);
  for (const int rows : kRowCounts) {
    const Numbers x = filled_aligned(rows, kHeads * kLatent);
    const auto run = [&](int begin, int count, Matrix out) {
      const Integers list(*backend_, all_rows(count));
      backend_->mla_expand_output(x.rows(begin, count), w.stack(kHeads), list.list(), out);
    };
    for (const int gap : {kGap, 3}) {
      Numbers out(*backend_, type(), rows, kHeads * kV, gap);
      run(0, rows, out.view());
      expect_near(out, [&](int t, int c) { return dot(x, t, c / kV * kLatent, w, c); });
      expect_same_alone(out, first_and_last(rows), [&](int t, Matrix o) { run(t, 1, o); });
    }
  }
}

// As many heads as the model has, whose clusters are too many for short tiles.
TEST_P(GemmTest, ManyHeads) {
  constexpr int kHeads = 20, kLatent = 64, kV = 256;
  const Numbers w = weights(kHeads * kV, kLatent);
  for (const int rows : {129, 150, 190}) {
    if (is_slow() && rows > 129) continue;
    const Numbers x = filled_aligned(rows, kHeads * kLatent);
    const auto run = [&](int begin, int count, Matrix out) {
      const Integers list(*backend_, all_rows(count));
      backend_->mla_expand_output(x.rows(begin, count), w.stack(kHeads), list.list(), out);
    };
    Numbers out = aligned(rows, kHeads * kV);
    run(0, rows, out.view());
    expect_near(out, first_and_last(rows),
                [&](int t, int c) { return dot(x, t, c / kV * kLatent, w, c); });
    expect_same_alone(out, first_and_last(rows), [&](int t, Matrix o) { run(t, 1, o); });
  }
}

// By head, of rows from a list.
TEST_P(GemmTest, HeadsOfManyRows) {
  constexpr int kHeads = 3, kLatent = 128, kV = 72, kRows = 420;
  const Numbers x = filled_aligned(kRows, kHeads * kLatent), w = weights(kHeads * kV, kLatent);
  std::vector<int32_t> rows;
  for (int t = 0; t < kRows; t += t % 3 + 1) rows.push_back(t);
  const auto run = [&](const std::vector<int32_t>& listed, Matrix of, Matrix out) {
    const Integers list(*backend_, listed);
    backend_->mla_expand_output(of, w.stack(kHeads), list.list(), out);
  };
  for (const int gap : {kGap, 3}) {
    Numbers out(*backend_, type(), kRows, kHeads * kV, gap);
    run(rows, x.view(), out.view());
    expect_near(out, rows, [&](int t, int c) { return dot(x, t, c / kV * kLatent, w, c); });
    for (int t = 0; t < kRows; ++t)
      EXPECT_EQ(out.is_nan_row(t), !std::binary_search(rows.begin(), rows.end(), t)) << t;
    expect_same_alone(out, {rows.front(), rows[rows.size() / 2], rows.back()},
                      [&](int t, Matrix o) { run({0}, x.row(t), o); });
  }
}

TEST_P(GemmTest, NanStaysInItsRow) {
  Numbers x = filled_aligned(40, 128), out = aligned(40, 64);
  const Numbers w = weights(64, 128);
  x.set(17, 127, Numbers::kNan);
  x.upload();
  backend_->linear(x.view(), w.view(), out.view());
  out.download();
  EXPECT_TRUE(out.is_nan_row(17));
  expect_near(out, {0, 16, 18, 39}, [&](int t, int i) { return dot(x, t, 0, w, i); });
}

// The router's weights in BF16 too. Scores are off by what FP32 sums of 128 products are, so of two
// experts as close as that either may be chosen.
TEST_P(GemmTest, Router) {
  constexpr int kExperts = 64, kPerToken = 4, kIn = 128;
  for (const int rows : {1, 9, 40, 150, 280}) {
    const Numbers x = filled_aligned(rows, kIn), w = weights(kExperts, kIn);
    Numbers bias(*backend_, NumberType::kF32, 1, kExperts, 0);
    bias.fill(random_, 0.5f);
    TestRouting routing(*backend_, rows, kPerToken + 1, kExperts + 1, /*num_shared=*/1);
    backend_->route(x.view(), w.view(), bias.view(), {kPerToken, true, 1.8f}, routing.view());
    routing.download();
    EXPECT_TRUE(routing.is_grouped());
    for (int t = 0; t < rows; ++t) {
      std::vector<double> scores, selection, sorted;
      for (int e = 0; e < kExperts; ++e) {
        scores.push_back(1 / (1 + std::exp(-dot(x, t, 0, w, e))));
        sorted.push_back(selection.emplace_back(scores.back() + bias.at(0, e)));
      }
      std::sort(sorted.rbegin(), sorted.rend());
      double total = 0;
      for (int j = 0; j < kPerToken; ++j)
        total += scores[static_cast<size_t>(routing.expert(t, j))];
      for (int j = 0; j < kPerToken; ++j) {
        const auto expert = static_cast<size_t>(routing.expert(t, j));
        EXPECT_NEAR(selection[expert], sorted[static_cast<size_t>(j)], 1e-5);
        EXPECT_NEAR(routing.weights().at(t, j), scores[expert] / total * 1.8, 1e-5);
      }
    }
  }
}

// Experts that all rows choose, experts that none does, and both kinds of product.
TEST_P(GemmTest, Experts) {
  constexpr int kExperts = 6, kPerToken = 2, kIn = 128, kWidth = 64;
  for (const int rows : {1, 9, 40, 150, 280}) {
    std::vector<int32_t> ids;
    for (int t = 0; t < rows; ++t) {
      ids.push_back(random_.integer(0, 9) == 0 ? 5 : 0);
      ids.push_back(random_.integer(1, 3));
    }
    TestRouting test_routing(*backend_, ids, kPerToken, kExperts);
    const Routing routing = test_routing.fill_weights(random_).view();
    const Numbers x = filled_aligned(rows, kIn);
    const Numbers gate_up = weights(kExperts * 2 * kWidth, kIn);
    const Numbers down = weights(kExperts * kIn, kWidth);
    const auto expert = [&](int pair) { return ids[static_cast<size_t>(pair)]; };
    Numbers act = aligned(rows * kPerToken, kWidth);
    backend_->moe_gate_up(x.view(), routing, gate_up.stack(kExperts), act.view());
    expect_near(act, [&](int row, int i) {
      const int pair = test_routing.pair(row), first = expert(pair) * 2 * kWidth + i;
      return silu(dot(x, pair / kPerToken, 0, gate_up, first)) *
             dot(x, pair / kPerToken, 0, gate_up, first + kWidth);
    });

    Numbers parts = aligned(rows * kPerToken, kIn);
    backend_->moe_down(act.view(), routing, down.stack(kExperts), parts.view());
    expect_near(parts, [&](int pair, int i) {
      return dot(act, test_routing.row_of(pair), 0, down, expert(pair) * kIn + i);
    });
  }
}

// Which many rows read as they lie, where the others' are brought together.
TEST_P(GemmTest, SharedExperts) {
  constexpr int kRouted = 8, kShared = 2, kAll = kRouted + kShared, kPerToken = 2 + kShared;
  constexpr int kIn = 128, kWidth = 192;  // in 64s, as fast kernels want of both products
  const Numbers gate_up = weights(kAll * 2 * kWidth, kIn), down = weights(kAll * kIn, kWidth);
  for (const int rows : {20, 150, 500, 900}) {
    if (is_slow() && rows > 500) continue;
    std::vector<int32_t> ids;
    for (int t = 0; t < rows; ++t) {
      const int first = random_.integer(0, kRouted - 1);
      ids.insert(ids.end(), {first, (first + random_.integer(1, kRouted - 1)) % kRouted});
      for (int s = 0; s < kShared; ++s) ids.push_back(kRouted + s);
    }
    TestRouting routing(*backend_, ids, kPerToken, kAll);
    routing.set_num_shared(kShared);
    const Numbers x = filled_aligned(rows, kIn);
    Numbers act = aligned(rows * kPerToken, kWidth);
    backend_->moe_gate_up(x.view(), routing.view(), gate_up.stack(kAll), act.view());
    expect_near(act, [&](int row, int i) {
      const int pair = routing.pair(row), t = pair / kPerToken;
      const int first = routing.expert(t, pair % kPerToken) * 2 * kWidth + i;
      return silu(dot(x, t, 0, gate_up, first)) * dot(x, t, 0, gate_up, first + kWidth);
    });
    Numbers parts(*backend_, type(), rows * kPerToken, kIn);
    backend_->moe_down(act.view(), routing.view(), down.stack(kAll), parts.view());
    expect_near(parts, [&](int pair, int i) {
      const int expert = routing.expert(pair / kPerToken, pair % kPerToken);
      return dot(act, routing.row_of(pair), 0, down, expert * kIn + i);
    });
  }
}

// Groups of rows as large tiles cut them: none, one, around each multiple of 16, more than a tile.
// The first has few rows on average, so that its tiles are small.
TEST_P(GemmTest, ExpertsOfManyRows) {
  constexpr int kIn = 192, kWidth = 192;
  const std::vector<std::vector<int>> cases{
      {0, 30, 45, 64, 1, 80, 17, 0, 200, 33, 16},
      {0,   1,   16,  17,  33,  50,  65,  81,  97,  113, 128, 129, 0,   145,
       161, 177, 192, 193, 209, 225, 241, 256, 257, 300, 385, 512, 513, 700}};
  for (const std::vector<int>& sizes : cases) {
    const int experts = static_cast<int>(sizes.size());
    if (is_slow() && experts > 11) continue;
    std::vector<int32_t> ids;
    for (int e = 0; e < experts; ++e)
      ids.insert(ids.end(), static_cast<size_t>(sizes[static_cast<size_t>(e)]), e);
    random_.shuffle(ids);
    const int rows = static_cast<int>(ids.size());
    TestRouting test_routing(*backend_, ids, /*per_token=*/1, experts);
    const Routing routing = test_routing.fill_weights(random_).view();
    const Numbers x = filled_aligned(rows, kIn);
    const Numbers gate_up = weights(experts * 2 * kWidth, kIn);
    const Numbers down = weights(experts * kIn, kWidth);
    const auto expert = [&](int row) { return ids[static_cast<size_t>(row)]; };
    for (const int gap : {kGap, 3}) {
      Numbers act(*backend_, type(), rows, kWidth, gap);
      backend_->moe_gate_up(x.view(), routing, gate_up.stack(experts), act.view());
      expect_near(act, [&](int r, int i) {
        const int row = test_routing.pair(r), first = expert(row) * 2 * kWidth + i;
        return silu(dot(x, row, 0, gate_up, first)) * dot(x, row, 0, gate_up, first + kWidth);
      });
      Numbers in = aligned(rows, kWidth), parts(*backend_, type(), rows, kIn, gap);
      in.fill(random_);
      backend_->moe_down(in.view(), routing, down.stack(experts), parts.view());
      expect_near(parts, [&](int row, int i) {
        return dot(in, test_routing.row_of(row), 0, down, expert(row) * kIn + i);
      });
      std::vector<int> some;
      for (int row = 0; row < rows; row += 23) some.push_back(row);
      expect_same_alone(act, some, [&](int r, Matrix out) {
        const int row = test_routing.pair(r);
        backend_->moe_gate_up(x.row(row), test_routing.row(row).view(), gate_up.stack(experts),
                              out);
      });
      expect_same_alone(parts, some, [&](int row, Matrix out) {
        backend_->moe_down(in.row(test_routing.row_of(row)), test_routing.row(row).view(),
                           down.stack(experts), out);
      });
    }
  }
}

// Where a backend begins an op before the one before it has ended: rounds of other rows, so of
// other experts, in the same memory.
TEST_P(GemmTest, ExpertsInOneGoAreThoseStepByStep) {
  constexpr int kExperts = 64, kPerToken = 5, kAll = kExperts + 1, kIn = 256, kWidth = 128;
  const Numbers router = weights(kExperts, kIn), gate_up = weights(kAll * 2 * kWidth, kIn);
  const Numbers down = weights(kAll * kIn, kWidth), norm = filled_aligned(1, kIn);
  Numbers bias(*backend_, NumberType::kF32, 1, kExperts, 0);
  bias.fill(random_, 0.1f);
  for (const int rows : {1, 40, 150, 300, 700}) {
    if (is_slow() && rows > 150) continue;
    TestRouting test_routing(*backend_, rows, kPerToken, kAll, /*num_shared=*/1);
    const Routing routing = test_routing.view();
    Numbers act = aligned(rows * kPerToken, kWidth), parts = aligned(rows * kPerToken, kIn);
    const auto layer = [&](const Numbers& x, Numbers& residual, Numbers& out, auto&& pause) {
      backend_->route(x.view(), router.view(), bias.view(), {kPerToken - 1, true, 1.8f}, routing);
      pause();
      backend_->moe_gate_up(x.view(), routing, gate_up.stack(kAll), act.view());
      pause();
      backend_->moe_down(act.view(), routing, down.stack(kAll), parts.view());
      pause();
      backend_->moe_combine_add_rms_norm(parts.view(), routing, residual.view(), norm.view(), 1e-5f,
                                         out.view());
      pause();
    };
    std::vector<Numbers> x, residual, out, expected;
    for (int round = 0; round < 4; ++round) {
      x.push_back(filled_aligned(rows, kIn));
      residual.push_back(filled_aligned(rows, kIn));
      out.push_back(aligned(rows, kIn));
      expected.push_back(aligned(rows, kIn));
      Numbers sum = residual.back().copy();
      layer(x.back(), sum, expected.back(), [&] { expected.back().download(); });
    }
    const auto all_rounds = [&] {
      for (size_t i = 0; i < x.size(); ++i) layer(x[i], residual[i], out[i], [] {});
    };
    std::unique_ptr<Recording> recording;
    if (backend_->can_record()) recording = backend_->record(all_rounds);
    recording ? recording->run() : all_rounds();
    for (size_t i = 0; i < x.size(); ++i) {
      out[i].download();
      for (int t = 0; t < rows; ++t)
        EXPECT_TRUE(out[i].same_row(t, expected[i], t)) << "round " << i << ", row " << t;
    }
  }
}

// Rows as the model has them: in whole chunks, and with the model's number of parts.
TEST_P(GemmTest, CombinedPartsAndTheirNorm) {
  constexpr int kHidden = 2048, kPerToken = 5;
  for (const int rows : {1, 7, 130}) {
    std::vector<int32_t> ids;
    for (int pair = 0; pair < rows * kPerToken; ++pair) ids.push_back(pair % kPerToken);
    TestRouting test_routing(*backend_, ids, kPerToken, kPerToken);
    const Routing routing = test_routing.fill_weights(random_).view();
    const Numbers parts = filled_aligned(rows * kPerToken, kHidden);
    const Numbers weight = filled_aligned(1, kHidden);
    Numbers residual = filled_aligned(rows, kHidden), out = aligned(rows, kHidden);
    const Numbers before = residual.copy();
    Numbers delta = aligned(rows, kHidden);
    backend_->moe_combine(parts.view(), routing, delta.view());
    expect_near(delta, [&](int t, int i) {
      double sum = 0;
      for (int j = 0; j < kPerToken; ++j)
        sum += test_routing.weights().at(t, j) * parts.at(t * kPerToken + j, i);
      return sum;
    });
    delta.download();
    const auto added = [&](int t, int i) { return before.at(t, i) + delta.at(t, i); };
    backend_->moe_combine_add_rms_norm(parts.view(), routing, residual.view(), weight.view(), 1e-5f,
                                       out.view());
    expect_near(residual, added);
    std::vector<double> norm(static_cast<size_t>(rows));
    for (int t = 0; t < rows; ++t) {
      double squares = 0;
      for (int i = 0; i < kHidden; ++i) squares += added(t, i) * added(t, i);
      norm[static_cast<size_t>(t)] = std::sqrt(squares / kHidden + 1e-5);
    }
    expect_near(out, [&](int t, int i) {
      return added(t, i) / norm[static_cast<size_t>(t)] * weight.at(0, i);
    });
  }
}

}  // namespace
}  // namespace glint
