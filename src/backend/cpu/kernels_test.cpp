#include "backend/cpu/cpu_backend.h"
#include "backend/ops_harness.h"

namespace glint {
namespace {

// Both fuse multiply and add, over the same 16 partial sums.
TEST(KernelsTest, Avx2AndAvx512AgreeBitForBit) {
  std::vector<std::unique_ptr<Backend>> backends;
  std::vector<Numbers> outs;
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    if (kernels == cpu::available_kernels().back()) continue;  // the baseline does not fuse
    Random random(1);
    Backend& backend = *backends.emplace_back(std::make_unique<CpuBackend>(1, *kernels));
    Numbers x(backend, NumberType::kF32, 5, 77), w(backend, NumberType::kF32, 41, 77);
    x.fill(random);
    w.fill(random);
    backend.linear(x.view(), w.view(), outs.emplace_back(backend, NumberType::kF32, 5, 41).view());
    outs.back().download();
  }
  if (outs.size() < 2) GTEST_SKIP() << "this CPU has no AVX-512";
  for (int t = 0; t < 5; ++t) EXPECT_TRUE(outs[0].same_row(t, outs[1], t));
}

}  // namespace
}  // namespace glint
