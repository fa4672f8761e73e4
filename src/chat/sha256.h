#pragma once

#include <string>
#include <string_view>

namespace glint {

// The SHA-256 of `bytes` (FIPS 180-4) in lower-case hexadecimal. For telling files apart, at
// start-up: plain and not fast.
std::string sha256_hex(std::string_view bytes);

}  // namespace glint
