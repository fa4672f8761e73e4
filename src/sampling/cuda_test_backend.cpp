// The first GPU. Where there is none, the tests say so and are skipped.

#include <gtest/gtest.h>

#include "backend/cuda/cuda_backend.h"
#include "sampling/sample_harness.h"

namespace glint {
namespace {

class NeedsGpu : public testing::Environment {
 public:
  void SetUp() override {
    const auto backend = make_cuda_backend();
    if (!backend) GTEST_SKIP() << backend.error().message;
  }
};

const testing::Environment* const environment =
    testing::AddGlobalTestEnvironment(new NeedsGpu);  // GoogleTest owns it

}  // namespace

std::unique_ptr<Backend> make_test_backend() { return take(make_cuda_backend()); }

}  // namespace glint
