// Sequences to choose among, as a tree.

#include "sampling/trigger.h"

#include <gtest/gtest.h>

#include <string>

#include "base/check.h"

namespace glint {
namespace {

// "5[1 2[7]] 6": after 5 comes 1, which ends a sequence, or 2 and then 7; 6 alone ends one.
std::string text_of(const ChoiceTree& tree, const ChoiceTree::Node& node) {
  std::string text;
  for (int i = node.begin; i < node.begin + node.size; ++i) {
    const auto at = static_cast<size_t>(i);
    const std::string below = text_of(tree, tree.after[at]);
    text += cat(text.empty() ? "" : " ", tree.ids[at]);
    if (!below.empty()) text += cat("[", below, "]");
  }
  return text;
}
std::string tree_of(std::vector<std::vector<TokenId>> sequences) {
  const ChoiceTree tree = make_choice_tree(std::move(sequences));
  return text_of(tree, tree.root);
}

TEST(ChoiceTreeTest, CommonBeginningsAreSharedInAnyOrder) {
  EXPECT_EQ(tree_of({{5, 2, 7}, {6}, {5, 1}, {6}}), "5[1 2[7]] 6");
  EXPECT_EQ(tree_of({}), "");
}

TEST(ChoiceTreeTest, ASequenceThatBeginsAnotherEndsTheChoice) {
  EXPECT_EQ(tree_of({{5, 2, 7}, {5, 2}, {5, 3}}), "5[2 3]");
}

TEST(ChoiceTreeTest, TriggersTakeRoomForTheirTree) {
  const std::vector<Trigger> triggers = {{.unless_seen = {1, 2}, .forced_ids = {3}},
                                         {.one_of = {{5, 2, 7}, {5, 1}}}};
  EXPECT_EQ(num_trigger_ids(triggers), 7u);
}

}  // namespace
}  // namespace glint
