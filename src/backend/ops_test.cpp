// Lookups, norms, projections and experts against their definitions in double.

#include "backend/ops_fixture.h"
#include "backend/random_normal.h"

namespace glint {
namespace {

INSTANTIATE_TEST_SUITE_P(Each, OpsTest, testing::ValuesIn(ops_cases()), case_name);

TEST_P(OpsTest, EmbedCopiesRows) {
  const TestStep step(*backend_, random_, {{0, 5}, {9, 2}}, 4, 11);
  const Numbers table = filled(11, 37);
  Numbers out = numbers(step.num_tokens(), 37);
  backend_->embed(step.view(), table.view(), out.view());
  out.download();
  for (int t = 0; t < step.num_tokens(); ++t) EXPECT_TRUE(out.same_row(t, table, step.token_id(t)));
  EXPECT_TRUE(out.gaps_are_nan());
}

// Key and index alone decide: a tensor in pieces is the tensor. The tolerance is the type's.
TEST_P(OpsTest, RandomNormal) {
  constexpr uint64_t kKey = 77;
  Numbers whole = numbers(50, 41), rest = numbers(20, 41);
  backend_->random_normal(whole.view(), kKey, 5, 0.5f);
  backend_->random_normal(rest.view(), kKey, 5 + 30 * 41, 0.5f);
  expect_near(whole, [&](int r, int c) { return 0.5 * random_normal(kKey, 5 + r * 41 + c); });
  rest.download();
  for (int r = 0; r < 20; ++r) EXPECT_TRUE(rest.same_row(r, whole, 30 + r)) << "row " << r;
  double sum = 0, squares = 0;
  for (int r = 0; r < 50; ++r) {
    for (int c = 0; c < 41; ++c) {
      sum += whole.at(r, c);
      squares += whole.at(r, c) * whole.at(r, c);
    }
  }
  // Five standard errors of 2,050 numbers of sigma 0.5.
  EXPECT_NEAR(sum / 2050, 0, 5 * 0.5 / std::sqrt(2050));
  EXPECT_NEAR(squares / 2050, 0.25, 5 * 0.25 * std::sqrt(2.0 / 2050));
}

TEST_P(OpsTest, GatherRowsCopiesListedRows) {
  const Numbers x = filled(9, 21);
  const Integers rows(*backend_, {0, 3, 8});
  Numbers out = numbers(3, 21);
  backend_->gather_rows(x.view(), rows.list(), out.view());
  out.download();
  EXPECT_TRUE(out.same_row(0, x, 0) && out.same_row(1, x, 3) && out.same_row(2, x, 8));
  EXPECT_TRUE(out.gaps_are_nan());
}

TEST_P(OpsTest, RmsNorm) {
  for (int round = 0; round < kRounds; ++round) {
    const int n = random_.integer(1, 150), num_tokens = random_.integer(1, 7);
    const float eps = 0.25f;  // large, so that its place shows
    Numbers x = filled(num_tokens, n), out = numbers(num_tokens, n);
    const Numbers weight = filled(1, n);
    backend_->rms_norm(x.view(), weight.view(), eps, out.view());
    expect_near(out, [&](int t, int i) {
      return x.at(t, i) / root_mean_square(x, t, n, eps) * weight.at(0, i);
    });
    expect_same_alone(
        out, [&](int t, Matrix o) { backend_->rms_norm(x.row(t), weight.view(), eps, o); });
    backend_->rms_norm(x.view(), weight.view(), eps, x.view());
    x.download();
    for (int t = 0; t < num_tokens; ++t) EXPECT_TRUE(x.same_row(t, out, t)) << "in place";
  }
}

TEST_P(OpsTest, AddRmsNormKeepsTheSumAndNormsItBeforeRounding) {
  for (int round = 0; round < kRounds; ++round) {
    const int n = random_.integer(1, 150), num_tokens = random_.integer(1, 7);
    const Numbers delta = filled(num_tokens, n), weight = filled(1, n);
    Numbers residual = filled(num_tokens, n), out = numbers(num_tokens, n);
    const Numbers before = residual.copy();
    const auto sum = [&](int t, int i) { return before.at(t, i) + delta.at(t, i); };
    backend_->add_rms_norm(delta.view(), residual.view(), weight.view(), 1e-5f, out.view());
    expect_near(residual, sum);
    expect_near(out, [&](int t, int i) {
      double squares = 0;
      for (int j = 0; j < n; ++j) squares += sum(t, j) * sum(t, j);
      return sum(t, i) / std::sqrt(squares / n + 1e-5) * weight.at(0, i);
    });
    expect_same_alone(out, [&](int t, Matrix o) {
      const Numbers row = before.copy();
      backend_->add_rms_norm(delta.row(t), row.row(t), weight.view(), 1e-5f, o);
    });
  }
}

TEST_P(OpsTest, LinearToItsOwnTypeAndToFp32) {
  for (int round = 0; round < kRounds; ++round) {
    const bool large = round == 0;  // enough work to be shared between threads
    const int in = large ? 100 : random_.integer(1, 90);
    const int out_features = large ? 131 : random_.integer(1, 70);
    const int num_tokens = large ? 67 : random_.integer(1, 9);
    const Numbers x = filled(num_tokens, in), w = weights(out_features, in, weight_scale(in));
    for (const NumberType out_type : {type(), NumberType::kF32}) {
      Numbers out(*backend_, out_type, num_tokens, out_features);
      backend_->linear(x.view(), w.view(), out.view());
      expect_near(out, [&](int t, int i) { return dot(x, t, 0, w, i); });
      expect_same_alone(out, [&](int t, Matrix o) { backend_->linear(x.row(t), w.view(), o); });
    }
  }
}

TEST_P(OpsTest, LinearKeepsNanInItsRow) {
  Numbers x = filled(5, 40), out = numbers(5, 18);
  const Numbers w = weights(18, 40, 0.2f);
  x.set(2, 39, Numbers::kNan);
  x.upload();
  backend_->linear(x.view(), w.view(), out.view());
  out.download();
  EXPECT_TRUE(out.is_nan_row(2));
  expect_near(out, {0, 1, 3, 4}, [&](int t, int i) { return dot(x, t, 0, w, i); });
}

TEST_P(OpsTest, LinearSwiglu) {
  for (int round = 0; round < kRounds; ++round) {
    const int in = random_.integer(1, 90), width = random_.integer(1, 70);
    const int num_tokens = random_.integer(1, 9);
    const Numbers x = filled(num_tokens, in), w = weights(2 * width, in, weight_scale(in));
    Numbers out = numbers(num_tokens, width);
    backend_->linear_swiglu(x.view(), w.view(), out.view());
    expect_near(
        out, [&](int t, int i) { return silu(dot(x, t, 0, w, i)) * dot(x, t, 0, w, width + i); });
    expect_same_alone(out,
                      [&](int t, Matrix o) { backend_->linear_swiglu(x.row(t), w.view(), o); });
  }
}

TEST_P(OpsTest, EmbedNormConcat) {
  const int n = 45;
  const TestStep step(*backend_, random_, {{0, 4}, {7, 1}}, 4, 13);
  const Numbers table = filled(13, n), hidden = filled(step.num_tokens(), n);
  const Numbers enorm = filled(1, n), hnorm = filled(1, n);
  Numbers out = numbers(step.num_tokens(), 2 * n);
  const auto run = [&](const StepView& rows, Matrix of_hidden, Matrix o) {
    backend_->embed_norm_concat(rows, table.view(), enorm.view(), of_hidden, hnorm.view(), 1e-3f,
                                o);
  };
  run(step.view(), hidden.view(), out.view());
  expect_near(out, [&](int t, int i) {
    const int id = step.token_id(t);
    if (i < n) return table.at(id, i) / root_mean_square(table, id, n, 1e-3f) * enorm.at(0, i);
    return hidden.at(t, i - n) / root_mean_square(hidden, t, n, 1e-3f) * hnorm.at(0, i - n);
  });
  expect_same_alone(out, [&](int t, Matrix o) { run(step.view(t, 1), hidden.row(t), o); });
}

// Distinct random experts for every row, some of them chosen by no row.
TestRouting random_routing(Backend& backend, Random& random, int num_tokens, int per_token,
                           int num_experts) {
  std::vector<int32_t> ids;
  for (int t = 0; t < num_tokens; ++t) {
    std::vector<int> order = all_rows(num_experts);
    random.shuffle(order);
    ids.insert(ids.end(), order.begin(), order.begin() + per_token);
  }
  return std::move(TestRouting(backend, ids, per_token, num_experts).fill_weights(random));
}

TEST_P(OpsTest, MoeGateUp) {
  for (int round = 0; round < kRounds; ++round) {
    const int in = random_.integer(1, 70), width = random_.integer(1, 50);
    const int num_tokens = round == 0 ? 67 : random_.integer(1, 9);
    const int num_experts = random_.integer(1, 9), k = random_.integer(1, num_experts);
    const Numbers x = filled(num_tokens, in);
    const Numbers w = filled_stack(num_experts, 2 * width, in, weight_scale(in));
    const TestRouting routing = random_routing(*backend_, random_, num_tokens, k, num_experts);
    Numbers act = numbers(num_tokens * k, width);
    backend_->moe_gate_up(x.view(), routing.view(), w.stack(num_experts), act.view());
    expect_near(act, [&](int r, int i) {
      const int t = routing.pair(r) / k, j = routing.pair(r) % k;
      const int gate = routing.expert(t, j) * 2 * width + i;
      return silu(dot(x, t, 0, w, gate)) * dot(x, t, 0, w, gate + width);
    });
    for (int t = 0; t < num_tokens; ++t) {
      Numbers alone = numbers(k, width);
      const TestRouting of_row = routing.row(t);
      backend_->moe_gate_up(x.row(t), of_row.view(), w.stack(num_experts), alone.view());
      alone.download();
      for (int j = 0; j < k; ++j)
        EXPECT_TRUE(act.same_row(routing.row_of(t * k + j), alone, of_row.row_of(j)))
            << "row " << t;
    }
  }
}

TEST_P(OpsTest, MoeDown) {
  for (int round = 0; round < kRounds; ++round) {
    const int width = random_.integer(1, 50), n = random_.integer(1, 70);
    const int num_tokens = round == 0 ? 67 : random_.integer(1, 9);
    const int num_experts = random_.integer(1, 9), k = random_.integer(1, num_experts);
    const Numbers act = filled(num_tokens * k, width);
    const Numbers w = filled_stack(num_experts, n, width, weight_scale(width));
    const TestRouting routing = random_routing(*backend_, random_, num_tokens, k, num_experts);
    Numbers parts = numbers(num_tokens * k, n);
    backend_->moe_down(act.view(), routing.view(), w.stack(num_experts), parts.view());
    expect_near(parts, [&](int pair, int i) {
      return dot(act, routing.row_of(pair), 0, w, routing.expert(pair / k, pair % k) * n + i);
    });
    for (int t = 0; t < num_tokens; ++t) {
      const TestRouting of_row = routing.row(t);
      Numbers act_alone = numbers(k, width), alone = numbers(k, n);
      for (int i = 0; i < k; ++i)
        for (int c = 0; c < width; ++c)
          act_alone.set(i, c,
                        static_cast<float>(act.at(routing.row_of(t * k + of_row.pair(i)), c)));
      act_alone.upload();
      backend_->moe_down(act_alone.view(), of_row.view(), w.stack(num_experts), alone.view());
      alone.download();
      for (int j = 0; j < k; ++j) EXPECT_TRUE(parts.same_row(t * k + j, alone, j)) << "row " << t;
    }
  }
}

TEST_P(OpsTest, MoeCombine) {
  for (int round = 0; round < kRounds; ++round) {
    const int n = round % 2 == 0 ? 8 * random_.integer(1, 40) : random_.integer(1, 150);
    const int num_tokens = random_.integer(1, 9), k = random_.integer(1, 5);
    const Numbers parts = filled(num_tokens * k, n);
    const TestRouting routing = random_routing(*backend_, random_, num_tokens, k, k + 1);
    Numbers out = numbers(num_tokens, n);
    backend_->moe_combine(parts.view(), routing.view(), out.view());
    expect_near(out, [&](int t, int i) {
      double sum = 0;
      for (int j = 0; j < k; ++j) sum += routing.weights().at(t, j) * parts.at(t * k + j, i);
      return sum;
    });
    expect_same_alone(out, [&](int t, Matrix o) {
      backend_->moe_combine(parts.rows(t * k, k), routing.row(t).view(), o);
    });
  }
}

TEST_P(OpsTest, MoeCombineAddRmsNormIsThatOfTheCombined) {
  for (int round = 0; round < kRounds; ++round) {
    const int n = round % 2 == 0 ? 8 * random_.integer(1, 40) : random_.integer(1, 150);
    const int num_tokens = random_.integer(1, 9), k = random_.integer(1, 5);
    const Numbers parts = filled(num_tokens * k, n), weight = filled(1, n);
    const TestRouting routing = random_routing(*backend_, random_, num_tokens, k, k + 1);
    Numbers residual = filled(num_tokens, n), out = numbers(num_tokens, n);
    Numbers delta = numbers(num_tokens, n), expected = numbers(num_tokens, n);
    Numbers expected_residual = residual.copy();
    backend_->moe_combine(parts.view(), routing.view(), delta.view());
    backend_->add_rms_norm(delta.view(), expected_residual.view(), weight.view(), 1e-5f,
                           expected.view());
    backend_->moe_combine_add_rms_norm(parts.view(), routing.view(), residual.view(), weight.view(),
                                       1e-5f, out.view());
    for (Numbers* numbers : {&out, &expected, &residual, &expected_residual}) numbers->download();
    for (int t = 0; t < num_tokens; ++t) {
      EXPECT_TRUE(out.same_row(t, expected, t)) << "row " << t;
      EXPECT_TRUE(residual.same_row(t, expected_residual, t)) << "residual " << t;
    }
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The K best of s + bias by a plain sort.
std::vector<int> best_experts(const std::vector<double>& selection, int k) {
  std::vector<int> order = all_rows(static_cast<int>(selection.size()));
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return selection[static_cast<size_t>(a)] > selection[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(k));
  return order;
}

TEST_P(OpsTest, RouteChoosesByBiasAndWeighsWithoutIt) {
  for (int round = 0; round < kRounds; ++round) {
    const int n = random_.integer(1, 90), num_tokens = random_.integer(1, 9);
    const int num_experts = random_.integer(1, 20), k = random_.integer(1, num_experts);
    const int shared = random_.integer(0, 2), all = num_experts + shared;
    const RouterParams params{k, round % 2 == 0, 1.8f};
    const Numbers x = filled(num_tokens, n);
    Numbers w = floats(num_experts, n), bias = floats(1, num_experts);
    w.fill(random_, weight_scale(n));
    bias.fill(random_, 0.5f);
    TestRouting routing(*backend_, num_tokens, k + shared, all, shared);
    backend_->route(x.view(), w.view(), bias.view(), params, routing.view());
    routing.download();
    EXPECT_TRUE(routing.is_grouped());
    for (int t = 0; t < num_tokens; ++t) {
      std::vector<double> scores, selection;
      for (int e = 0; e < num_experts; ++e) {
        scores.push_back(sigmoid(dot(x, t, 0, w, e)));
        selection.push_back(scores.back() + bias.at(0, e));
      }
      const std::vector<int> expected = best_experts(selection, k);
      double total = 0;
      for (const int e : expected) total += scores[static_cast<size_t>(e)];
      for (int j = 0; j < k; ++j) {
        const int e = expected[static_cast<size_t>(j)];
        EXPECT_EQ(routing.expert(t, j), e);
        const double share = scores[static_cast<size_t>(e)] / (params.norm_topk_prob ? total : 1);
        EXPECT_NEAR(routing.weights().at(t, j), share * 1.8, 1e-5);
      }
      for (int j = 0; j < shared; ++j) {
        EXPECT_EQ(routing.expert(t, k + j), num_experts + j);
        EXPECT_EQ(routing.weights().at(t, k + j), 1);
      }
      TestRouting alone(*backend_, 1, k + shared, all, shared);
      backend_->route(x.row(t), w.view(), bias.view(), params, alone.view());
      alone.download();
      EXPECT_TRUE(routing.weights().same_row(t, alone.weights(), 0));
    }
  }
}

// One op or two: in the size that a fused kernel takes and in others, for rows around those of its
// clusters. A bad row stays alone.
TEST_P(OpsTest, NormAndRouteHaveTheBitsOfTheirTwoOps) {
  struct Size {
    int hidden, experts, chosen, shared;
  };
  const float eps = 1e-5f;
  for (const Size& size :
       {Size{2048, 64, 4, 1}, Size{2048, 24, 3, 0}, Size{2048, 10, 2, 2}, Size{256, 64, 4, 1}}) {
    const int all = size.experts + size.shared, per_row = size.chosen + size.shared;
    const RouterParams params{size.chosen, true, 1.8f};
    const Numbers w = weights(size.experts, size.hidden, weight_scale(size.hidden));
    const Numbers bias = std::move(floats(1, size.experts).fill(random_, 0.1f));
    const auto make = [&](int rows) {
      return Numbers(*backend_, type(), rows, size.hidden, kAlignedGap);
    };
    const Numbers norm = std::move(make(1).fill(random_));
    for (const int num_rows : {1, 2, 8, 9, 15, 16, 17, 40, 100, 128, 129}) {
      SCOPED_TRACE(cat(size.hidden, " columns, ", size.experts, " experts, ", num_rows, " rows"));
      const Numbers delta = std::move(make(num_rows).fill(random_));
      Numbers before = make(num_rows);
      before.fill(random_);
      if (num_rows > 8) before.set(3, size.hidden - 5, Numbers::kNan);
      before.upload();
      Numbers residual = before.copy(), apart = make(num_rows), together = make(num_rows);
      TestRouting one(*backend_, num_rows, per_row, all, size.shared);
      TestRouting two(*backend_, num_rows, per_row, all, size.shared);
      backend_->add_rms_norm(delta.view(), before.view(), norm.view(), eps, apart.view());
      backend_->route(apart.view(), w.view(), bias.view(), params, two.view());
      backend_->add_rms_norm_route(delta.view(), residual.view(), norm.view(), eps, together.view(),
                                   w.view(), bias.view(), params, one.view());
      for (Numbers* numbers : {&before, &residual, &apart, &together}) numbers->download();
      one.download();
      two.download();
      EXPECT_TRUE(one.is_grouped());
      for (int t = 0; t < num_rows; ++t) {
        for (int j = 0; j < per_row; ++j) EXPECT_EQ(one.expert(t, j), two.expert(t, j)) << t;
        if (num_rows > 8 && t == 3) continue;  // NaN has many bits
        EXPECT_TRUE(residual.same_row(t, before, t)) << "row " << t;
        EXPECT_TRUE(together.same_row(t, apart, t)) << "row " << t;
        EXPECT_TRUE(one.weights().same_row(t, two.weights(), t)) << "row " << t;
      }
      EXPECT_TRUE(together.gaps_are_nan() && residual.gaps_are_nan());
    }
  }
}
TEST_P(OpsTest, RouteTakesTheLowestOfEqualIdsAndNamesRealOnesForNan) {
  Numbers x = filled(2, 8);
  x.set(1, 3, Numbers::kNan);
  x.upload();
  Numbers w = floats(6, 8), bias = floats(1, 6);
  for (int e = 0; e < 6; ++e) {
    bias.set(0, e, 0);
    for (int i = 0; i < 8; ++i) w.set(e, i, 0);
  }
  w.upload();
  bias.upload();
  TestRouting routing(*backend_, 2, 3, 6);
  backend_->route(x.view(), w.view(), bias.view(), {3, true, 1.0f}, routing.view());
  routing.download();
  for (int j = 0; j < 3; ++j) {
    EXPECT_EQ(routing.expert(0, j), j);
    EXPECT_NEAR(routing.weights().at(0, j), 1.0 / 3, 1e-6);
    EXPECT_TRUE(routing.expert(1, j) >= 0 && routing.expert(1, j) < 6);
  }
}

TEST_P(OpsTest, NoRowsIsNoWork) {
  const Numbers w = weights(20, 10, 1), norm = filled(1, 10), empty = numbers(0, 10);
  Numbers out = numbers(0, 20);
  backend_->linear(empty.view(), w.view(), out.view());
  backend_->rms_norm(empty.view(), norm.view(), 1e-5f, empty.view());
  backend_->moe_gate_up(empty.view(), {.experts_per_row = 1}, filled_stack(2, 40, 10, 1).stack(2),
                        out.view());
}

}  // namespace
}  // namespace glint
