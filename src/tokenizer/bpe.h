#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/token_id.h"

namespace glint {

// One line of tokenizer.json's merges; the lines' order is their rank.
struct Merge {
  TokenId left;
  TokenId right;
  TokenId merged;
};

// The byte-level start of every pre-token, and which pairs merge in which order.
class MergeTable {
 public:
  struct Entry {
    uint32_t rank;
    TokenId merged;
  };
  static constexpr uint32_t kNoMerge = UINT32_MAX;

  // Of a pair that comes twice the last rank counts, as in the `tokenizers` package.
  MergeTable(const std::array<TokenId, 256>& byte_ids, const std::vector<Merge>& merges);

  TokenId byte_id(char byte) const { return byte_ids_[static_cast<uint8_t>(byte)]; }
  // rank is kNoMerge if the pair does not merge.
  Entry find(TokenId left, TokenId right) const {
    const uint64_t key = key_of(left, right);
    for (size_t at = slot_of(key);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.key == key || slot.key == kEmpty) return slot.entry;
    }
  }

 private:
  // Open addressing, at most half full.
  struct Slot {
    uint64_t key = kEmpty;
    Entry entry{kNoMerge, 0};
  };
  static constexpr uint64_t kEmpty = UINT64_MAX;

  static uint64_t key_of(TokenId left, TokenId right) {
    return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  }
  // Fibonacci hashing (Knuth, volume 3, section 6.4): the product's upper bits.
  size_t slot_of(uint64_t key) const { return (key * 0x9E3779B97F4A7C15u) >> shift_; }

  std::array<TokenId, 256> byte_ids_;
  std::vector<Slot> slots_;
  int shift_ = 0;
};

// Applies the merges to one pre-token after another. Holds the buffers that this takes, so one
// object serves one thread.
//
// The order is that of Sennrich et al. (arXiv:1508.07909) as the `tokenizers` package has it:
// always the pair of lowest rank, and of equal ones the leftmost. A short pre-token looks through
// all its pairs for the next one, O(n^2) of a small n; a long one keeps them in a heap, O(n log n).
class BpeMerger {
 public:
  explicit BpeMerger(const MergeTable& merges) : merges_(merges) {}

  void append_ids(std::string_view pre_token, std::vector<TokenId>& ids);

  // Pairs looked up, compared or moved so far.
  uint64_t num_steps() const { return num_steps_; }

 private:
  // Measured on words of random letters and of Han: scanning is the faster by 1.1 to 1.7 times
  // here, and with Han no more from 64 bytes on.
  static constexpr size_t kMaxScannedBytes = 48;
  static constexpr int32_t kNone = -1;

  // A part of the pre-token, in a list of parts. One that merged into its left neighbour is dead.
  struct Symbol {
    TokenId id;
    int32_t prev, next;
    bool alive;
  };
  // The pair of the symbol at `left` and the one after it, as it was when it was pushed.
  struct Candidate {
    uint32_t rank;
    int32_t left;
    TokenId merged;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  void append_scanned(std::string_view pre_token, std::vector<TokenId>& ids);
  void append_from_heap(std::string_view pre_token, std::vector<TokenId>& ids);
  void push_pair(int32_t left);
  bool is_current(const Candidate& candidate);
  void merge(const Candidate& candidate);
  MergeTable::Entry find(TokenId left, TokenId right) {
    ++num_steps_;
    return merges_.find(left, right);
  }

  const MergeTable& merges_;
  uint64_t num_steps_ = 0;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;  // lowest rank first
};

}  // namespace glint
