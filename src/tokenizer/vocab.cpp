#include "tokenizer/vocab.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace glint {
namespace {

// Eight bytes at a time, mixed by the multiplier of Knuth's Fibonacci hashing (2^64 / phi). The
// bytes come from users, the table's keys do not: a bad text costs a lookup, not a long chain.
uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t hash = bytes.size() * kMultiplier;
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t num_bytes = std::min<size_t>(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), num_bytes);
    hash = (std::rotl(hash, 23) ^ word) * kMultiplier;
    hash ^= hash >> 32;
    bytes.remove_prefix(num_bytes);
  }
  return hash;
}

uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

Vocab::Vocab(const std::vector<std::string>& tokens, int num_model_tokens) {
  offsets_.push_back(0);
  for (const std::string& token : tokens) {
    bytes_ += token;
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
  slots_.resize(std::bit_ceil(2 * static_cast<size_t>(num_model_tokens) + 1));
  for (TokenId id = 0; id < num_model_tokens; ++id) insert(id);
}

void Vocab::insert(TokenId id) {
  const uint64_t hash = hash_bytes(bytes(id));
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].id != kEmpty) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {tag_of(hash), id};
  max_model_token_bytes_ = std::max(max_model_token_bytes_, bytes(id).size());
}

std::optional<TokenId> Vocab::find(std::string_view wanted) const {
  if (wanted.size() > max_model_token_bytes_) return std::nullopt;
  const uint64_t hash = hash_bytes(wanted);
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.id == kEmpty) return std::nullopt;
    if (slot.tag == tag_of(hash) && bytes(slot.id) == wanted) return slot.id;
  }
}

}  // namespace glint
