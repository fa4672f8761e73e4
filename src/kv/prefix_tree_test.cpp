#include "kv/prefix_tree.h"

#include <gtest/gtest.h>

#include <string>

namespace glint {
namespace {

// Pages of two tokens; a text is one token per character.
class PrefixTreeTest : public testing::Test {
 protected:
  static std::vector<TokenId> ids(const std::string& text) { return {text.begin(), text.end()}; }

  // Inserts all whole pages of `text` in new pages, and gives those up that the tree did not take.
  PrefixTree::Match insert(const std::string& text, uint64_t name_space = 0) {
    std::vector<PageId> pages;
    for (size_t i = 0; i < text.size() / 2; ++i) pages.push_back(*pool_.acquire());
    const auto match = tree_.insert(name_space, ids(text), pages);
    for (const PageId page : pages) pool_.release(page);
    return match;
  }
  int match(const std::string& text, uint64_t name_space = 0) const {
    return tree_.match_length(name_space, ids(text));
  }

  PagePool pool_{16};
  PrefixTree tree_{pool_, 2};
};

TEST_F(PrefixTreeTest, MatchesWholePagesOnly) {
  insert("abcdef");
  EXPECT_EQ(match("abcdef"), 3);
  EXPECT_EQ(match("abcde"), 2);
  EXPECT_EQ(match("abcdxf"), 2);
  EXPECT_EQ(match("a"), 0);
  EXPECT_EQ(match("bcdef"), 0);
}

TEST_F(PrefixTreeTest, SharedPrefixKeepsItsFirstPages) {
  const auto first = insert("abcd");
  const auto second = insert("abxy");
  EXPECT_EQ(second.pages[0], first.pages[0]);
  EXPECT_NE(second.pages[1], first.pages[1]);
  EXPECT_EQ(tree_.num_nodes(), 3);
  EXPECT_EQ(pool_.num_free(), 13);
}

TEST_F(PrefixTreeTest, NamespacesAreApart) {
  insert("abcd", 1);
  EXPECT_EQ(match("abcd", 1), 2);
  EXPECT_EQ(match("abcd", 2), 0);
  EXPECT_EQ(match("abcd", 0), 0);
}

TEST_F(PrefixTreeTest, LeavesGoBeforeThePrefixTheyHangFrom) {
  insert("abcdef");
  EXPECT_TRUE(tree_.evict_one());
  EXPECT_EQ(match("abcdef"), 2);
  EXPECT_TRUE(tree_.evict_one());
  EXPECT_EQ(match("abcdef"), 1);
  EXPECT_TRUE(tree_.evict_one());
  EXPECT_FALSE(tree_.evict_one());
  EXPECT_EQ(pool_.num_free(), 16);
}

TEST_F(PrefixTreeTest, LeastRecentlyUsedLeafGoesFirst) {
  const auto a = insert("aaaa");
  insert("bbbb");
  tree_.touch(a.node);
  tree_.evict_one();
  EXPECT_EQ(match("bbbb"), 1);
  EXPECT_EQ(match("aaaa"), 2);
}

TEST_F(PrefixTreeTest, LockedPrefixStays) {
  const auto locked = insert("abcd");
  insert("abcdef");
  tree_.lock(locked.node);
  EXPECT_EQ(tree_.num_evictable(), 1);
  EXPECT_TRUE(tree_.evict_one());
  EXPECT_FALSE(tree_.evict_one());
  EXPECT_EQ(match("abcdef"), 2);
  tree_.unlock(locked.node);
  EXPECT_EQ(tree_.num_evictable(), 2);
  EXPECT_TRUE(tree_.evict_one());
}

TEST_F(PrefixTreeTest, EvictsInOrderOfUseAcrossBranches) {
  insert("aabb");
  insert("aacc");
  insert("dd");
  EXPECT_TRUE(tree_.evict_one());
  EXPECT_EQ(match("aabb"), 1);
  EXPECT_TRUE(tree_.evict_one());
  EXPECT_EQ(match("aacc"), 1);
  EXPECT_TRUE(tree_.evict_one());  // "aa" was used before "dd"
  EXPECT_EQ(match("aa"), 0);
  EXPECT_EQ(match("dd"), 1);
}

TEST_F(PrefixTreeTest, ClearGivesAllPagesBack) {
  insert("abcdef");
  insert("abxy", 7);
  tree_.clear();
  EXPECT_EQ(tree_.num_nodes(), 0);
  EXPECT_EQ(pool_.num_free(), 16);
  insert("abcdef");
  EXPECT_EQ(match("abcdef"), 3);
}

}  // namespace
}  // namespace glint
