#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glint {

// The number of an answer, as sglang.test.few_shot_gsm8k reads it: commas removed, then the last
// run of digits, so no sign and no decimals ("-7" gives 7, "12.50" gives 50). Nothing (that
// client's "invalid") if there is no digit, or if Python reads no such literal: a leading zero
// ("07"; but "00" is 0), digits of another script than ASCII's, more than 4,300 digits.
std::optional<std::string> last_number(std::string_view text);

}  // namespace glint
