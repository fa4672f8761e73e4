#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/token_id.h"

namespace glint {

// Ids that nobody changes: copies share them. The n answers of a long prompt wait with one copy of
// it.
class SharedTokens {
 public:
  SharedTokens() = default;
  SharedTokens(std::vector<TokenId> ids)  // NOLINT(google-explicit-constructor): a prompt is ids
      : ids_(std::make_shared<const std::vector<TokenId>>(std::move(ids))) {}
  SharedTokens(std::initializer_list<TokenId> ids) : SharedTokens(std::vector<TokenId>(ids)) {}

  operator std::span<const TokenId>() const {  // NOLINT(google-explicit-constructor)
    return ids_ ? std::span<const TokenId>(*ids_) : std::span<const TokenId>();
  }
  std::vector<TokenId> copy() const { return ids_ ? *ids_ : std::vector<TokenId>(); }
  const TokenId* data() const { return ids_ ? ids_->data() : nullptr; }
  size_t size() const { return ids_ ? ids_->size() : 0; }
  bool empty() const { return size() == 0; }

 private:
  std::shared_ptr<const std::vector<TokenId>> ids_;
};

}  // namespace glint
