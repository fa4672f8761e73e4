#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"

namespace glint {

// A Python literal as models write one in the place of JSON: {'a': [1, True, None]}. Dicts with
// keys of text, lists, strings in either quotes with Python's simple escapes, JSON's numbers, and
// True, False, None or JSON's own words. Nothing if `text` is not one, or nests deeper than 64
// levels.
std::optional<Json> parse_python_literal(std::string_view text);

}  // namespace glint
