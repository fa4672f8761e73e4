#include "api/request_fields.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

namespace glint {
namespace {

std::string media_type(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && content_type.back() == ' ') content_type.remove_suffix(1);
  std::string lower(content_type);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace

std::optional<int64_t> whole_number(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto number = value.get<double>();
  if (std::trunc(number) != number || std::abs(number) > 9e15) return std::nullopt;
  return static_cast<int64_t>(number);
}

Result<Json> parse_request_body(std::string_view content_type, std::string_view body) {
  if (!content_type.empty() && media_type(content_type) != "application/json") {
    return Error{ErrorCode::kInvalidRequest,
                 cat("The content type is ", content_type, "; expected application/json."),
                 "Content-Type"};
  }
  if (body.empty())
    return Error{ErrorCode::kInvalidRequest, "The body is empty; expected a JSON object."};
  Result<Json> parsed = parse_json(body);
  if (!parsed) {
    parsed.error().message = cat("The body is not valid JSON: ", parsed.error().message);
    return parsed;
  }
  if (!parsed->is_object()) {
    return Error{ErrorCode::kInvalidRequest,
                 cat("The body is ", shown(*parsed), "; expected a JSON object.")};
  }
  return parsed;
}

std::string shown(const Json& value) {
  if (const auto digits = big_integer(value)) return *digits;
  std::string text = to_json_text(value);
  constexpr size_t kMaxShown = 60;
  if (text.size() <= kMaxShown) return text;
  size_t end = kMaxShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

RequestFields RequestFields::over(const Json* defaults) const {
  RequestFields fields(object_, path_);
  fields.defaults_ = defaults;
  return fields;
}

const Json* RequestFields::find(std::string_view name) const {
  for (const Json* object : {&object_, defaults_}) {
    if (object == nullptr) continue;
    const auto it = object->find(name);
    if (it != object->end() && !it->is_null()) return &*it;
  }
  return nullptr;
}

Result<std::optional<bool>> RequestFields::boolean(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return refuse(name, "true or false");
  return std::optional<bool>(value->get<bool>());
}

Result<std::optional<int64_t>> RequestFields::integer(std::string_view name, int64_t min,
                                                      int64_t max) const {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<int64_t>();
  const std::optional<int64_t> number = whole_number(*value);
  if (!number || *number < min || *number > max)
    return refuse(name, cat("a whole number from ", min, " to ", max));
  return number;
}

Result<std::optional<float>> RequestFields::number(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<float>();
  if (!value->is_number()) return refuse(name, "a number");
  const auto number = static_cast<float>(value->get<double>());
  if (!std::isfinite(number)) return refuse(name, "a number within a float's range");
  return std::optional<float>(number);
}

Result<std::optional<std::string>> RequestFields::string(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return refuse(name, "a string");
  return std::optional<std::string>(value->get<std::string>());
}

Result<std::vector<std::string>> RequestFields::strings(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::vector<std::string>();
  if (value->is_string()) return std::vector<std::string>{value->get<std::string>()};
  if (!value->is_array() ||
      !std::all_of(value->begin(), value->end(), [](const Json& v) { return v.is_string(); })) {
    return refuse(name, "a string or an array of strings");
  }
  return value->get<std::vector<std::string>>();
}

Result<std::vector<int64_t>> RequestFields::integers(std::string_view name, int64_t min,
                                                     int64_t max) const {
  const Json* list = TRY(array(name));
  std::vector<int64_t> numbers;
  if (list == nullptr) return numbers;
  for (const Json& value : *list) {
    const std::optional<int64_t> number = whole_number(value);
    if (!number || *number < min || *number > max) {
      return error(name, cat(path_of(name), "[", numbers.size(), "] is ", shown(value),
                             "; expected a whole number from ", min, " to ", max, "."));
    }
    numbers.push_back(*number);
  }
  return numbers;
}

Result<const Json*> RequestFields::array(std::string_view name) const {
  const Json* value = find(name);
  if (value != nullptr && !value->is_array()) return refuse(name, "an array");
  return value;
}

Result<const Json*> RequestFields::object(std::string_view name) const {
  const Json* value = find(name);
  if (value != nullptr && !value->is_object()) return refuse(name, "an object");
  return value;
}

std::string RequestFields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : cat(path_, ".", name);
}

Error RequestFields::refuse(std::string_view name, std::string_view expected) const {
  const auto it = object_.find(name);
  const std::string found = it == object_.end() ? "missing" : shown(*it);
  return error(name, cat(path_of(name), " is ", found, "; expected ", expected, "."));
}

Error RequestFields::error(std::string_view name, std::string message) const {
  return Error{ErrorCode::kInvalidRequest, std::move(message), path_of(name)};
}

}  // namespace glint
