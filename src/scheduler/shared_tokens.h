#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/token_id.h"

namespace glint {

// Ids that nobody changes: copies share them, and beginnings. The n answers of a long prompt wait
// with one copy of it, and so do the sequences that score its pieces.
class SharedTokens {
 public:
  SharedTokens() = default;
  SharedTokens(std::vector<TokenId> ids)  // NOLINT(google-explicit-constructor): a prompt is ids
      : ids_(std::make_shared<const std::vector<TokenId>>(std::move(ids))), size_(ids_->size()) {}
  SharedTokens(std::initializer_list<TokenId> ids) : SharedTokens(std::vector<TokenId>(ids)) {}

  operator std::span<const TokenId>() const {  // NOLINT(google-explicit-constructor)
    return {data(), size_};
  }
  // The first ids, at most `size` of them.
  SharedTokens first(size_t size) const {
    SharedTokens beginning = *this;
    beginning.size_ = std::min(size, size_);
    return beginning;
  }
  std::vector<TokenId> copy() const { return {data(), data() + size_}; }
  const TokenId* data() const { return ids_ ? ids_->data() : nullptr; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::shared_ptr<const std::vector<TokenId>> ids_;
  size_t size_ = 0;
};

}  // namespace glint
