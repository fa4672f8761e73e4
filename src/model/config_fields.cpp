#include "model/config_fields.h"

namespace glint {
namespace {

// A value as it stands in the file, cut so that a sentence stays a sentence.
std::string shown(const Json& value) {
  constexpr size_t kMaxShown = 80;
  const std::optional<std::string> digits = big_integer(value);
  std::string text = digits ? *digits : to_json_text(value);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
  return text;
}

std::optional<TokenId> token_id(const Json& value, int64_t end) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() >= static_cast<uint64_t>(end)) {
    return std::nullopt;
  }
  const auto id = value.get<int64_t>();
  if (id < 0 || id >= end) return std::nullopt;
  return static_cast<TokenId>(id);
}

}  // namespace

const Json* ConfigFields::find(std::string_view key) const {
  const auto found = object_.find(std::string(key));
  return found == object_.end() ? nullptr : &*found;
}

bool ConfigFields::is_set(std::string_view key) const {
  const Json* value = find(key);
  return value != nullptr && !value->is_null();
}

Error ConfigFields::refuse(std::string_view key, std::string_view expected) const {
  const Json* value = find(key);
  return {ErrorCode::kStartup, cat(file_, ": ", key, " is ", value ? shown(*value) : "absent",
                                   "; expected ", expected, ".")};
}

Result<int64_t> ConfigFields::integer(std::string_view key, int64_t min, int64_t max,
                                      int64_t absent) const {
  const Json* value = find(key);
  if (value == nullptr) return absent;
  const bool fits =
      value->is_number_integer() &&
      (!value->is_number_unsigned() || value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
  const int64_t found = fits ? value->get<int64_t>() : 0;
  if (!fits || found < min || found > max) {
    return refuse(key, min == max ? cat(min) : cat("an integer from ", min, " to ", max));
  }
  return found;
}

Result<double> ConfigFields::number(std::string_view key, double min, double max,
                                    double absent) const {
  const Json* value = find(key);
  if (value == nullptr) return absent;
  const double found = value->is_number() ? value->get<double>() : min;
  if (!(found > min && found <= max)) {
    return refuse(key, cat("a number above ", min, ", up to ", max));
  }
  return found;
}

Result<bool> ConfigFields::boolean(std::string_view key, bool absent) const {
  const Json* value = find(key);
  if (value == nullptr) return absent;
  if (!value->is_boolean()) return refuse(key, "true or false");
  return value->get<bool>();
}

Result<std::string> ConfigFields::string(std::string_view key, std::string_view absent) const {
  const Json* value = find(key);
  if (value == nullptr) return std::string(absent);
  if (!value->is_string()) return refuse(key, "a string");
  return value->get<std::string>();
}

Result<std::vector<TokenId>> ConfigFields::token_ids(std::string_view key, int64_t end) const {
  std::vector<TokenId> ids;
  if (!is_set(key)) return ids;
  const Json& value = *find(key);
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& item : list) {
    const std::optional<TokenId> id = token_id(item, end);
    if (!id) return refuse(key, cat("a token id, or a list of them, from 0 to ", end - 1));
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace glint
