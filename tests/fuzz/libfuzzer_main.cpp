// The entry that libFuzzer calls with each input.

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  glint::check_input({reinterpret_cast<const char*>(data), size});
  return 0;
}
