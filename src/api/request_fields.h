#pragma once

// Reading single fields of a request body: absent and null are the same, a wrong type is a 400 that
// names the field, what was found and what is expected.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace glint {

// The body of a POST as a JSON object. A content type other than JSON is refused.
Result<Json> parse_request_body(std::string_view content_type, std::string_view body);

// A whole number may be written as 3.0. Those beyond int64_t have no value here: they are out of
// every range.
std::optional<int64_t> whole_number(const Json& value);

// A value as an error shows it: its JSON, cut after 60 bytes.
std::string shown(const Json& value);

class RequestFields {
 public:
  // `path` stands before names in errors: "messages[2]". `object` must outlive this.
  explicit RequestFields(const Json& object, std::string path = "")
      : object_(object), path_(std::move(path)) {}

  // The same fields, with those of `defaults` where they are absent or null. Null: no defaults.
  RequestFields over(const Json* defaults) const;

  // Null if the field is absent or null.
  const Json* find(std::string_view name) const;

  Result<std::optional<bool>> boolean(std::string_view name) const;
  Result<std::optional<int64_t>> integer(std::string_view name, int64_t min, int64_t max) const;
  // Finite as a float.
  Result<std::optional<float>> number(std::string_view name) const;
  Result<std::optional<std::string>> string(std::string_view name) const;
  // A string, or an array of them.
  Result<std::vector<std::string>> strings(std::string_view name) const;
  // An array of whole numbers in [min, max].
  Result<std::vector<int64_t>> integers(std::string_view name, int64_t min, int64_t max) const;
  Result<const Json*> array(std::string_view name) const;
  Result<const Json*> object(std::string_view name) const;

  // "messages[2].role"
  std::string path_of(std::string_view name) const;
  // "<field> is <value>; expected <expected>."
  Error refuse(std::string_view name, std::string_view expected) const;
  // kInvalidRequest about a field, in the caller's words.
  Error error(std::string_view name, std::string message) const;

 private:
  const Json& object_;
  std::string path_;
  const Json* defaults_ = nullptr;
};

}  // namespace glint
