#pragma once

// Reading single keys of a JSON object, each with its range; what config.cpp is written with.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/token_id.h"

namespace glint {

// One object of a file. An absent key and null are told apart only where a caller asks for it.
class ConfigFields {
 public:
  // `file` names it in errors; both must outlive this.
  ConfigFields(const Json& object, std::string_view file) : object_(object), file_(file) {}

  // Null if the key is absent.
  const Json* find(std::string_view key) const;
  bool is_set(std::string_view key) const;  // there and not null

  Result<int64_t> integer(std::string_view key, int64_t min, int64_t max, int64_t absent) const;
  // In (min, max].
  Result<double> number(std::string_view key, double min, double max, double absent) const;
  Result<bool> boolean(std::string_view key, bool absent) const;
  Result<std::string> string(std::string_view key, std::string_view absent) const;
  // An id, a list of ids, or null; ids in [0, end).
  Result<std::vector<TokenId>> token_ids(std::string_view key, int64_t end) const;

  // "<file>: <key> is <value>; expected <expected>."
  Error refuse(std::string_view key, std::string_view expected) const;

 private:
  const Json& object_;
  std::string_view file_;
};

}  // namespace glint
