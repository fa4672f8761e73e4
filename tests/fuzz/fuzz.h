#pragma once

// What the targets share. A target checks what must hold for one input, with CHECK. Inputs are
// text that can be read and written by hand, so that a corpus is a folder of examples.
//
//   cpu-fuzz   libFuzzer makes inputs (libfuzzer_main.cpp)
//   others     the inputs in the corpus, as a regression test (replay_main.cpp)

#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace glint {

// Each target defines it.
void check_input(std::string_view input);

// How a text comes in pieces. kAnywhere: at places that depend on the text alone, so that an input
// fails each time or never.
enum class Cut { kWhole, kEverywhere, kAnywhere };
inline constexpr Cut kCuts[] = {Cut::kWhole, Cut::kEverywhere, Cut::kAnywhere};

std::vector<std::string_view> cut_bytes(std::string_view text, Cut cut);
// Only between characters. `text` is valid UTF-8.
std::vector<std::string_view> cut_characters(std::string_view text, Cut cut);

// The first line of `text`, without its end, is taken off it.
std::string_view take_line(std::string_view& text);

}  // namespace glint
