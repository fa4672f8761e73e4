#pragma once

#include "backend/sample.h"

namespace glint {

// The sample op (backend/sample.h) for rows [begin, end). Ranges may run at the same time if no
// slot has rows in two of them.
void cpu_sample_rows(const SampleArgs& args, int begin, int end);

}  // namespace glint
