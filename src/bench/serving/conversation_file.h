#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace glint {

// A conversation's first two turns: what the user said, and the answer.
using ConversationTurns = std::pair<std::string, std::string>;

// ShareGPT's file: an array of {"conversations": [{"value": …}, …]}. Those of fewer turns are left
// out.
Result<std::vector<ConversationTurns>> read_sharegpt(const std::string& path);
// JSON Lines of the same objects; a turn's text is in "content" or "value".
Result<std::vector<ConversationTurns>> read_custom(const std::string& path);

}  // namespace glint
