#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glint {

// The last run of digits, commas removed: no sign, no decimals ("12.50" gives 50). Nothing if there
// is none or it begins with a zero (Python reads no such literal); "0" and "00" are numbers.
std::optional<std::string> last_number(std::string_view text);

// "Question: …\nAnswer: …\n\n" for each of the first `count` lines.
std::string few_shot_examples(const std::vector<Json>& lines, size_t count);

}  // namespace glint
