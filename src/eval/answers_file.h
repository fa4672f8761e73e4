#pragma once

// The answers of an evaluation, one JSON object a line: what --output writes and --compare reads.

#include <string>
#include <vector>

#include "base/json.h"
#include "eval/eval.h"

namespace glint {

// {"index", "question", "group", "wanted", "said", "correct", "invalid", "text", "reasoning",
// "finish_reason", "completion_tokens", "latency_s"}
Json answer_json(const Judged& answer, size_t index);

Result<void> write_answers(const std::string& path, const EvalReport& report);

// Needs "question", "said" and "correct" of each line.
Result<std::vector<Judged>> read_answers(const std::string& path);

}  // namespace glint
