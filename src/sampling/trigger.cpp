#include "sampling/trigger.h"

#include <algorithm>

#include "base/check.h"

namespace glint {
namespace {

using Sequences = std::span<const std::vector<TokenId>>;

// `sequences` are sorted, and alike before `depth`: so one that ends here is the first.
ChoiceTree::Node append_node(Sequences sequences, size_t depth, ChoiceTree& tree) {
  if (sequences.front().size() == depth) return {};
  std::vector<Sequences> groups;
  for (size_t begin = 0; begin < sequences.size();) {
    size_t end = begin + 1;
    while (end < sequences.size() && sequences[end][depth] == sequences[begin][depth]) ++end;
    groups.push_back(sequences.subspan(begin, end - begin));
    begin = end;
  }
  const size_t begin = tree.ids.size();
  for (const Sequences& group : groups) tree.ids.push_back(group.front()[depth]);
  tree.after.resize(tree.ids.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    const ChoiceTree::Node node = append_node(groups[i], depth + 1, tree);
    tree.after[begin + i] = node;
  }
  return {.begin = static_cast<int>(begin), .size = static_cast<int>(groups.size())};
}

}  // namespace

ChoiceTree make_choice_tree(std::vector<std::vector<TokenId>> sequences) {
  ChoiceTree tree;
  if (sequences.empty()) return tree;
  std::ranges::sort(sequences);
  CHECK(!sequences.front().empty(), "a sequence without ids");
  tree.root = append_node(sequences, 0, tree);
  return tree;
}

size_t num_trigger_ids(std::span<const Trigger> triggers) {
  size_t count = 0;
  for (const Trigger& trigger : triggers)
    count += trigger.unless_seen.size() + trigger.forced_ids.size() +
             make_choice_tree(trigger.one_of).ids.size();
  return count;
}

}  // namespace glint
