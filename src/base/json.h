#pragma once

// JSON as glint reads and writes it: a thin layer over nlohmann's ordered_json.
//
// Differences from nlohmann's own parser: depth and size are limited, an error carries its place,
// duplicate keys keep the last value in the place of the first (as Python does), and an integer
// that does not fit 64 bits keeps its digits (as a binary value, which JSON text cannot hold; see
// big_integer()) because the chat template prints it as Python would.
//
// Differences from Python's json: a lone surrogate (\ud800) is an error, because no UTF-8 text can
// hold it; so are numbers beyond a double's range (1e999, integers of 309 digits and more), NaN and
// Infinity.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace glint {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  size_t max_bytes = size_t{32} << 20;
  int max_depth = 200;  // arrays and objects inside each other
};

// The error's message says what was wrong and at which byte, counted from 0; its code is
// kInvalidRequest, or kTooLarge beyond max_bytes.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

// The digits of an integer outside 64 bits, with its sign; nothing for every other value.
std::optional<std::string> big_integer(const Json& value);

// Compact JSON for responses: no blanks, non-ASCII kept, invalid UTF-8 replaced by U+FFFD.
std::string to_json_text(const Json& value);

// Python's json.dumps(value, ensure_ascii=False): ", " and ": ", floats by repr (1e15 as
// 1000000000000000.0, -0.0 kept), big integers digit by digit. The chat template's tojson.
std::string to_python_json(const Json& value);

// A number as Python's json.dumps writes it: 1.0, 1e-05, 1e+16, Infinity.
std::string python_float(double value);

// Adds valid UTF-8 `text` as it stands between the quotes of a JSON string. Pieces of a text,
// escaped one by one, give the escaped whole.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace glint
