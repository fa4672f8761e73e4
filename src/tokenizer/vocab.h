#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/token_id.h"

namespace glint {

// The tokens' bytes by id, and for the model's own tokens the id by bytes. Added tokens come after
// those and are not found by their bytes: ordinary text must not become one.
class Vocab {
 public:
  // `tokens` in the order of their ids, all different; the first `num_model_tokens` are the
  // model's.
  Vocab(const std::vector<std::string>& tokens, int num_model_tokens);

  int num_tokens() const { return static_cast<int>(offsets_.size()) - 1; }
  bool has(TokenId id) const { return id >= 0 && id < num_tokens(); }
  std::string_view bytes(TokenId id) const {
    const size_t i = static_cast<size_t>(id);
    return std::string_view(bytes_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }
  // A model token with exactly these bytes.
  std::optional<TokenId> find(std::string_view bytes) const;

 private:
  // Open addressing, at most half full. Kept beside the id, the hash's upper half tells most other
  // tokens apart without reading their bytes.
  struct Slot {
    uint32_t tag = 0;
    TokenId id = kEmpty;
  };
  static constexpr TokenId kEmpty = -1;

  void insert(TokenId id);

  std::string bytes_;              // of all tokens, one after another
  std::vector<uint32_t> offsets_;  // [num_tokens + 1] into bytes_
  std::vector<Slot> slots_;
  size_t max_model_token_bytes_ = 0;
};

}  // namespace glint
