#include "kv/page_pool.h"

#include <gtest/gtest.h>

namespace glint {
namespace {

TEST(PagePoolTest, GivesEveryPageOnceThenNone) {
  PagePool pool(3);
  EXPECT_EQ(pool.acquire(), 0);
  EXPECT_EQ(pool.acquire(), 1);
  EXPECT_EQ(pool.acquire(), 2);
  EXPECT_EQ(pool.acquire(), std::nullopt);
}

TEST(PagePoolTest, PageIsFreeWhenItsLastHolderLeaves) {
  PagePool pool(1);
  const PageId page = *pool.acquire();
  pool.retain(page);
  pool.release(page);
  EXPECT_EQ(pool.num_free(), 0);
  pool.release(page);
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_EQ(pool.acquire(), page);
}

TEST(PagePoolDeathTest, NamesAPageReleasedTwice) {
  PagePool pool(2);
  pool.release(*pool.acquire());
  EXPECT_DEATH(pool.release(0), "page 0 released twice");
  EXPECT_DEATH(pool.retain(1), "page 1 retained while free");
}

}  // namespace
}  // namespace glint
