#include "backend/cpu/cpu_backend.h"
#include "sampling/sample_harness.h"

namespace glint {

std::unique_ptr<Backend> make_test_backend() { return make_cpu_backend(2); }

}  // namespace glint
