#include "eval/last_number.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace glint {
namespace {

// The first of each row of ten digits outside ASCII (Unicode 14, category Nd): Python's \d takes
// them, and so they end up in a literal that it then refuses.
constexpr char32_t kZeros[] = {
    0x660,   0x6f0,   0x7c0,   0x966,   0x9e6,   0xa66,   0xae6,   0xb66,   0xbe6,   0xc66,
    0xce6,   0xd66,   0xde6,   0xe50,   0xed0,   0xf20,   0x1040,  0x1090,  0x17e0,  0x1810,
    0x1946,  0x19d0,  0x1a80,  0x1a90,  0x1b50,  0x1bb0,  0x1c40,  0x1c50,  0xa620,  0xa8d0,
    0xa900,  0xa9d0,  0xa9f0,  0xaa50,  0xabf0,  0xff10,  0x104a0, 0x10d30, 0x11066, 0x110f0,
    0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
    0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0};

constexpr size_t kMostDigits = 4300;  // of an integer literal, since Python 3.11

bool is_ascii_digit(char32_t c) { return c >= '0' && c <= '9'; }

bool is_digit(char32_t c) {
  if (c < 0x80) return is_ascii_digit(c);
  return std::ranges::any_of(kZeros, [c](char32_t zero) { return c >= zero && c < zero + 10; });
}

std::string last_run(std::string_view text) {
  std::string last, run;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const std::string_view bytes = text.substr(at, static_cast<size_t>(c.num_bytes));
    at += bytes.size();
    if (bytes == ",") continue;
    if (is_digit(c.code_point)) {
      run += bytes;
    } else if (!run.empty()) {
      last = std::exchange(run, "");
    }
  }
  return run.empty() ? last : run;
}

}  // namespace

std::optional<std::string> last_number(std::string_view text) {
  const std::string run = last_run(text);
  const auto is_ours = [](char c) { return is_ascii_digit(static_cast<unsigned char>(c)); };
  if (run.empty() || run.size() > kMostDigits || !std::ranges::all_of(run, is_ours)) return {};
  const bool is_zero = run.find_first_not_of('0') == std::string::npos;
  if (run[0] == '0' && !is_zero) return {};
  return is_zero ? "0" : run;
}

}  // namespace glint
