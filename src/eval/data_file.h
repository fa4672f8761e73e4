#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glint {

// One JSON object a line, each with all of `keys`. The error names the file and the line.
Result<std::vector<Json>> read_json_lines(const std::string& path,
                                          const std::vector<std::string>& keys, size_t limit);

// The member if it is a string, else "".
std::string string_member(const Json& object, std::string_view key);

}  // namespace glint
