#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"

namespace glint {

MergeTable::MergeTable(const std::array<TokenId, 256>& byte_ids, const std::vector<Merge>& merges)
    : byte_ids_(byte_ids) {
  CHECK(merges.size() < kNoMerge / 4, merges.size(), " merges");
  slots_.resize(std::bit_ceil(2 * merges.size() + 2));
  shift_ = 64 - std::countr_zero(slots_.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const uint64_t key = key_of(merges[rank].left, merges[rank].right);
    size_t at = slot_of(key);
    while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {key, {static_cast<uint32_t>(rank), merges[rank].merged}};
  }
}

void BpeMerger::append_ids(std::string_view pre_token, std::vector<TokenId>& ids) {
  if (pre_token.size() <= kMaxScannedBytes) {
    append_scanned(pre_token, ids);
  } else {
    append_from_heap(pre_token, ids);
  }
}

// parts[i] is what is left of the pre-token, pairs[i] the merge of parts i and i + 1.
void BpeMerger::append_scanned(std::string_view pre_token, std::vector<TokenId>& ids) {
  std::array<TokenId, kMaxScannedBytes> parts;
  std::array<MergeTable::Entry, kMaxScannedBytes> pairs;
  size_t num_parts = pre_token.size();
  for (size_t i = 0; i < num_parts; ++i) parts[i] = merges_.byte_id(pre_token[i]);
  for (size_t i = 0; i + 1 < num_parts; ++i) pairs[i] = find(parts[i], parts[i + 1]);
  while (num_parts > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < num_parts; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    num_steps_ += num_parts;
    if (pairs[best].rank == MergeTable::kNoMerge) break;
    parts[best] = pairs[best].merged;
    std::copy(parts.data() + best + 2, parts.data() + num_parts, parts.data() + best + 1);
    // The pair at `best` goes; its two neighbours' pairs have a new part.
    std::copy(pairs.data() + best + 1, pairs.data() + num_parts - 1, pairs.data() + best);
    --num_parts;
    if (best > 0) pairs[best - 1] = find(parts[best - 1], parts[best]);
    if (best + 1 < num_parts) pairs[best] = find(parts[best], parts[best + 1]);
  }
  ids.insert(ids.end(), parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(num_parts));
}

void BpeMerger::append_from_heap(std::string_view pre_token, std::vector<TokenId>& ids) {
  CHECK(pre_token.size() < size_t{INT32_MAX}, "a pre-token of ", pre_token.size(), " bytes");
  const int32_t size = static_cast<int32_t>(pre_token.size());
  symbols_.clear();
  heap_.clear();
  for (int32_t i = 0; i < size; ++i) {
    const TokenId id = merges_.byte_id(pre_token[static_cast<size_t>(i)]);
    symbols_.push_back({id, i - 1, i + 1 < size ? i + 1 : kNone, true});
  }
  for (int32_t i = 0; i < size; ++i) push_pair(i);
  while (!heap_.empty()) {
    const Candidate candidate = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    heap_.pop_back();
    num_steps_ += std::bit_width(heap_.size());
    if (is_current(candidate)) merge(candidate);
  }
  for (int32_t i = 0; i != kNone; i = symbols_[static_cast<size_t>(i)].next) {
    ids.push_back(symbols_[static_cast<size_t>(i)].id);
  }
}

void BpeMerger::push_pair(int32_t left) {
  const Symbol& symbol = symbols_[static_cast<size_t>(left)];
  if (symbol.next == kNone) return;
  const auto [rank, merged] = find(symbol.id, symbols_[static_cast<size_t>(symbol.next)].id);
  if (rank == MergeTable::kNoMerge) return;
  heap_.push_back({rank, left, merged});
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  num_steps_ += std::bit_width(heap_.size());
}

// Candidates stay in the heap when a neighbour's merge changes their pair; the new pair has its
// own.
bool BpeMerger::is_current(const Candidate& candidate) {
  const Symbol& left = symbols_[static_cast<size_t>(candidate.left)];
  if (!left.alive || left.next == kNone) return false;
  const auto [rank, merged] = find(left.id, symbols_[static_cast<size_t>(left.next)].id);
  return rank == candidate.rank && merged == candidate.merged;
}

void BpeMerger::merge(const Candidate& candidate) {
  Symbol& left = symbols_[static_cast<size_t>(candidate.left)];
  Symbol& right = symbols_[static_cast<size_t>(left.next)];
  left.id = candidate.merged;
  left.next = right.next;
  right.alive = false;
  if (left.next != kNone) symbols_[static_cast<size_t>(left.next)].prev = candidate.left;
  if (left.prev != kNone) push_pair(left.prev);
  push_pair(candidate.left);
}

}  // namespace glint
