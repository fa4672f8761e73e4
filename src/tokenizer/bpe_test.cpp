#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "base/check.h"

namespace glint {
namespace {

std::array<TokenId, 256> identity() {
  std::array<TokenId, 256> ids;
  for (size_t byte = 0; byte < ids.size(); ++byte) ids[byte] = static_cast<TokenId>(byte);
  return ids;
}

// The definition: again and again the leftmost pair of the lowest rank.
std::vector<TokenId> merge_by_definition(std::string_view text, const std::vector<Merge>& merges) {
  std::vector<TokenId> parts;
  for (const char c : text) parts.push_back(static_cast<uint8_t>(c));
  std::map<std::pair<TokenId, TokenId>, size_t> ranks;
  for (size_t rank = 0; rank < merges.size(); ++rank)
    ranks[{merges[rank].left, merges[rank].right}] = rank;
  while (true) {
    size_t best_rank = merges.size(), best = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ranks.find({parts[i], parts[i + 1]});
      if (found == ranks.end() || found->second >= best_rank) continue;
      best_rank = found->second;
      best = i;
    }
    if (best_rank == merges.size()) return parts;
    parts[best] = merges[best_rank].merged;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// Merges of random pairs over three letters, each text with one id, as in a real vocabulary.
std::vector<Merge> random_merges(std::mt19937& rng, size_t num_merges) {
  std::vector<std::pair<std::string, TokenId>> tokens = {{"a", 'a'}, {"b", 'b'}, {"c", 'c'}};
  std::map<std::string, TokenId> ids(tokens.begin(), tokens.end());
  std::vector<Merge> merges;
  while (merges.size() < num_merges) {
    const auto& left = tokens[rng() % tokens.size()];
    const auto& right = tokens[rng() % tokens.size()];
    const std::string text = left.first + right.first;
    const auto [found, is_new] = ids.try_emplace(text, static_cast<TokenId>(256 + merges.size()));
    merges.push_back({left.second, right.second, found->second});
    if (is_new) tokens.emplace_back(*found);
  }
  return merges;
}

TEST(BpeTest, ShortAndLongTextsMergeByTheDefinition) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(cat("seed ", seed));
    std::mt19937 rng(seed);
    const std::vector<Merge> merges = random_merges(rng, 1 + rng() % 40);
    const MergeTable table(identity(), merges);
    BpeMerger merger(table);
    for (size_t size = 0; size < 90; size += 1 + rng() % 5) {
      std::string text;
      while (text.size() < size) text += "abc"[rng() % 3];
      std::vector<TokenId> ids;
      merger.append_ids(text, ids);
      ASSERT_EQ(ids, merge_by_definition(text, merges)) << text;
    }
  }
}

TEST(BpeTest, APairThatComesTwiceHasItsLastRank) {
  const std::vector<Merge> merges = {{'a', 'b', 256}, {'b', 'c', 257}, {'a', 'b', 256}};
  const MergeTable table(identity(), merges);
  BpeMerger merger(table);
  std::vector<TokenId> ids;
  merger.append_ids("abc", ids);
  EXPECT_EQ(ids, (std::vector<TokenId>{'a', 257}));
}

// x and x, xx and xx, and so on, so that a run of one character merges at every level.
std::vector<Merge> doubling_merges(std::string_view character) {
  std::vector<Merge> merges;
  TokenId next = 256;
  TokenId whole = static_cast<uint8_t>(character[0]);
  for (const char c : character.substr(1)) {
    merges.push_back({whole, static_cast<uint8_t>(c), next});
    whole = next++;
  }
  for (int level = 0; level < 12; ++level) {
    merges.push_back({whole, whole, next});
    whole = next++;
  }
  return merges;
}

// n log n: twice the text costs at most 2 (1 + 1 / log2 n) as much, 2.11 at n = 2^19. A quadratic
// loop would cost four times as much, and would not end within the test's time.
TEST(BpeTest, WorkOnOneRepeatedCharacterGrowsAsNLogN) {
  for (const std::string character : {"a", "0", " ", "\u0301", "\u4f60", "\U0001F600"}) {
    SCOPED_TRACE(character);
    const MergeTable table(identity(), doubling_merges(character));
    const auto steps = [&](size_t num_bytes) {
      std::string text;
      while (text.size() < num_bytes) text += character;
      BpeMerger merger(table);
      std::vector<TokenId> ids;
      merger.append_ids(text, ids);
      EXPECT_LE(ids.size(), text.size() / character.size() / 4096 + 12);
      return static_cast<double>(merger.num_steps());
    };
    EXPECT_LE(steps(1 << 20), 2.11 * steps(1 << 19) + 1000);
  }
}

}  // namespace
}  // namespace glint
