#pragma once

#include <string>

#include "bench/op_bench.h"

namespace glint {

// Tables in Markdown, columns aligned: the ops, then what they sum up to in a whole step. Shares of
// the limit where the GPU's is known.
std::string op_report_text(const OpBenchReport& report);
std::string op_report_json(const OpBenchReport& report);

}  // namespace glint
