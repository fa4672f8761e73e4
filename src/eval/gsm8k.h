#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace glint {

// "Question: …\nAnswer: …\n\n" for each of the first `count` lines.
std::string few_shot_examples(const std::vector<Json>& lines, size_t count);

}  // namespace glint
