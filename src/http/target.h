#pragma once

// The request target (RFC 9112, section 3.2) taken apart: percent-decoded path and query.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace glint {

struct Target {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
};

// Takes "/path?query", "http://host/path?query" and "*". In the query, + is a blank.
Result<Target> parse_target(std::string_view target);

// Every %XX replaced by its byte; an Error when % is not followed by two hex digits.
Result<std::string> percent_decode(std::string_view text, bool plus_is_blank = false);

}  // namespace glint
