#pragma once

#include <atomic>
#include <string_view>

namespace glint {

// Whether Ctrl-C came after note_ctrl_c().
const std::atomic<bool>& ctrl_c_came();
// From now on Ctrl-C only sets ctrl_c_came() and writes `said` to stderr, once: a second one ends
// the program. `said` is a literal.
void note_ctrl_c(std::string_view said = "");

}  // namespace glint
