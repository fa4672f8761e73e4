#include "backend/cuda/gemm_walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace glint::cuda::product {
namespace {

TEST(GemmWalk, QuotientsAreThoseOfIntegers) {
  std::mt19937 random(1);
  std::uniform_int_distribution number(0, (1 << 22) - 1), small(1, 300);
  for (int i = 0; i < 100000; ++i) {
    const int a = number(random), b = i % 2 == 0 ? small(random) : std::max(number(random), 1);
    ASSERT_EQ(quotient(a, b), a / b) << a << " / " << b;
    ASSERT_EQ(quotient(a / b * b, b), a / b) << a << " / " << b;
  }
}

TEST(GemmWalk, RowsAreCutIntoAsFewTilesAsCanBeWithNoneEmpty) {
  for (const int tile_rows : {16, 48, 64, 128, 176, 192, 256})
    for (int rows = 0; rows < 3000; ++rows) {
      const RowCut cut = cut_rows(rows, tile_rows);
      ASSERT_EQ(cut.count, (rows + tile_rows - 1) / tile_rows);
      ASSERT_LE(cut.size, tile_rows);
      ASSERT_GE(cut.count * cut.size, rows);
      if (cut.count == 0) continue;
      ASSERT_LT((cut.count - 1) * cut.size, rows) << rows << " in tiles of " << tile_rows;
      ASSERT_TRUE(cut.count == 1 || cut.size % kRowStep == 0);
      // So who asks for tiles of that size gets the same.
      const RowCut again = cut_rows(rows, cut.size);
      ASSERT_EQ(again.count, cut.count);
      ASSERT_EQ(again.size, cut.size);
    }
}

TEST(GemmWalk, TilesOfGroupsHoldMostOfThem) {
  for (int mean = 1; mean < 3000; ++mean) {
    const TileShape tile = tile_of_groups(mean);
    ASSERT_TRUE(tile.is_wide && tile.rows % kRowStep == 0) << tile.rows;
    ASSERT_GE(tile.rows, std::min(mean + mean / 3, kMostRowsWide));
    ASSERT_LE(tile.rows, kMostRowsWide);
  }
  EXPECT_EQ(tile_of_groups(1).rows, 2 * kRowStep);
  EXPECT_EQ(tile_of_groups(64).rows, 96);
  EXPECT_EQ(tile_of_groups(90).rows, 128);
  EXPECT_EQ(tile_of_groups(2000).rows, kMostRowsWide);
}

TEST(GemmWalk, TilesAreThoseThatBlocksAreDoneWithFirst) {
  constexpr int kBlocks = 132;
  const auto best = [](int rows, int weight_rows, bool in_parts) {
    return best_tile({rows, weight_rows, /*groups=*/1, in_parts}, kBlocks);
  };
  for (int rows = 1; rows < 9000; rows += 7)
    for (const int features : {64, 1344, 2048, 3840, 5120, 20480})
      for (const bool in_parts : {false, true}) {
        const TileShape tile = best(rows, features, in_parts);
        ASSERT_TRUE(tile.rows > 0 && tile.rows % kRowStep == 0) << tile.rows;
        ASSERT_LE(tile.rows, in_parts       ? kMostRowsInParts
                             : tile.is_wide ? kMostRowsWide
                                            : kMostRows);
        ASSERT_EQ(cut_rows(rows, tile.rows).size, tile.rows);
        ASSERT_FALSE(tile.is_wide && in_parts);
      }
  // 2,048 features: eight tiles of rows are one turn of 132 blocks.
  EXPECT_EQ(best(1024, 2048, true).rows, 128);
  EXPECT_EQ(best(1439, 2048, true).rows, 192);
  // 5,120 features: three are one turn.
  EXPECT_EQ(best(512, 5120, false).rows, 176);
  // Of tiles that multiply equally fast, what copies less.
  EXPECT_TRUE(best(8192, 20480, false).is_wide);
}

// As plan_tiles() does on the device.
template <int kTileRows>
TilePlan plan_of(const Tiling& tiling, const std::vector<int>& group_rows) {
  TilePlan plan{};
  for (int g = 0; g < tiling.groups; ++g) {
    const int rows = group_rows[static_cast<size_t>(g)];
    plan.row_begin[g + 1] = plan.row_begin[g] + rows;
    plan.tile_begin[g + 1] =
        plan.tile_begin[g] +
        tiling.feature_tiles * cut_rows<kTileRows>(rows, tiling.tile_rows).count;
  }
  return plan;
}

// `blocks` blocks walk over each feature tile of each row once.
template <int kTileRows>
void expect_each_once(const Tiling& tiling, const std::vector<int>& group_rows, int blocks) {
  const TilePlan plan = plan_of<kTileRows>(tiling, group_rows);
  std::vector<int> times(static_cast<size_t>(plan.row_begin[tiling.groups] * tiling.feature_tiles));
  for (int block = 0; block < blocks; ++block) {
    TileWalk<kTileRows> tile{tiling, plan, block, blocks};
    while (tile.next()) {
      ASSERT_GT(tile.num_rows, 0);
      ASSERT_LE(tile.num_rows, tiling.tile_rows);
      ASSERT_LE(tile.first_row + tile.num_rows, group_rows[static_cast<size_t>(tile.group)]);
      ASSERT_EQ(tile.group_begin, tiling.is_listed ? plan.row_begin[tile.group] : 0);
      ASSERT_LT(tile.feature, tiling.feature_tiles);
      for (int row = 0; row < tile.num_rows; ++row) {
        const int at = plan.row_begin[tile.group] + tile.first_row + row;
        ++times[static_cast<size_t>(at * tiling.feature_tiles + tile.feature)];
      }
    }
  }
  for (const int count : times) ASSERT_EQ(count, 1);
}

TEST(GemmWalk, EachRowAndFeatureIsInOneTile) {
  std::mt19937 random(1);
  const auto integer = [&](int min, int max) {
    return std::uniform_int_distribution(min, max)(random);
  };
  for (int round = 0; round < 200; ++round) {
    Tiling tiling{.groups = integer(1, 66),
                  .max_rows = integer(1, 1000),
                  .is_listed = round % 4 != 0,
                  .feature_tiles = integer(1, 12),
                  .tile_rows = kRowStep * integer(1, 16)};
    std::vector<int> rows(static_cast<size_t>(tiling.groups), tiling.max_rows);
    const int most = integer(0, 2) == 0 ? 1 : 200;
    for (int& count : rows)
      if (tiling.is_listed) count = integer(0, 3) == 0 ? integer(0, 700) : integer(0, most);
    const int blocks = integer(0, 1) == 0 ? 132 : integer(1, 20);
    tiling.num_shared = std::min(integer(0, 2), tiling.groups);
    tiling.deals_shared = tiling.num_shared > 0;
    ASSERT_NO_FATAL_FAILURE(expect_each_once<0>(tiling, rows, blocks));
    tiling.tile_rows = 64;
    ASSERT_NO_FATAL_FAILURE(expect_each_once<64>(tiling, rows, blocks));
  }
}

TEST(GemmWalk, LargeTilesOfSharedGroupsComeBetweenTheOthers) {
  Tiling tiling{.groups = 65,
                .max_rows = 1024,
                .is_listed = true,
                .num_shared = 1,
                .deals_shared = true,
                .feature_tiles = 12,
                .tile_rows = 96};
  std::vector<int> rows(65, 64);
  rows.back() = 1024;
  const TilePlan plan = plan_of<0>(tiling, rows);
  const int all = plan.tile_begin[65], shared = 11 * 12;
  ASSERT_EQ(all, 64 * 12 + shared);
  TileWalk<0> tile{tiling, plan, 0, 1};
  int seen = 0, last_group = 0;
  for (int place = 1; tile.next(); ++place) {
    if (tile.is_shared()) {
      ++seen;
    } else {
      ASSERT_GE(tile.group, last_group) << "weights of one group are read side by side";
      last_group = tile.group;
    }
    ASSERT_EQ(seen, place * shared / all) << "at " << place;
  }
  EXPECT_EQ(seen, shared);
}

}  // namespace
}  // namespace glint::cuda::product
