#pragma once

// The flags of SGLang that glint serve takes and does not act on: one table with a reason for each.

#include "base/result.h"

namespace CLI {
class App;
}

namespace glint {

void add_sglang_flags(CLI::App& app);

// For the parsed flags of the table: the Error (kInvalidRequest) names the first that asks for what
// glint does not have and that would change answers, memory or behaviour.
Result<void> refuse_unavailable_flags(const CLI::App& app);

// One line on stderr with all that were accepted and do nothing, and one with SGLang's environment
// variables.
void warn_of_flags_without_effect(const CLI::App& app);

}  // namespace glint
