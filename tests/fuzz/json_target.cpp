// Any text to base/json: what is taken is what nlohmann's own parser takes, and survives writing.

#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"
#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace glint {
namespace {

void check_keys_are_unique(const Json& value) {
  if (!value.is_structured()) return;
  std::set<std::string> keys;
  for (const auto& [key, member] : value.items()) {
    if (value.is_object()) CHECK(keys.insert(key).second, "the key ", key, " is there twice");
    check_keys_are_unique(member);
  }
}

bool has_big_integer(const Json& value) {
  if (big_integer(value)) return true;
  if (!value.is_structured()) return false;
  for (const Json& member : value)
    if (has_big_integer(member)) return true;
  return false;
}

void check_written(const Json& value) {
  const auto again = parse_json(to_json_text(value));
  CHECK(again && *again == value, "other than before it was written: ", to_json_text(value));
  const auto python = parse_json(to_python_json(value));
  CHECK(python && *python == value, "Python's form is another: ", to_python_json(value));
}

void check_error(const Error& error, std::string_view text) {
  CHECK(is_valid_utf8(error.message), "the error is not UTF-8");
  const std::string_view before = "at byte ";
  const size_t at = error.message.find(before);
  CHECK(at != std::string::npos, "without a place: ", error.message);
  CHECK(std::stoul(error.message.substr(at + before.size())) <= text.size(), error.message);
}

}  // namespace

void check_input(std::string_view input) {
  constexpr JsonLimits kLimits{.max_bytes = 1 << 20, .max_depth = 20};
  const auto parsed = parse_json(input, kLimits);
  if (!parsed) {
    Error error = Result<Json>(parsed).error();
    check_error(error, input);
    const bool ours = error.message.find("nested deeper") != std::string::npos ||
                      error.message.find("a zero byte") != std::string::npos;
    CHECK(ours || !Json::accept(input), "refused: ", error.message);
    return;
  }
  CHECK(Json::accept(input), "taken, but it is not JSON");
  check_keys_are_unique(*parsed);
  if (!has_big_integer(*parsed)) check_written(*parsed);
}

}  // namespace glint
