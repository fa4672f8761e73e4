#pragma once

// One rotation, with the same roundings in every kernel that makes one.

namespace glint::cuda {

struct Pair {
  float first, second;
};

__device__ inline Pair rotate(const Pair& x, float cosine, float sine) {
  return {__fmaf_rn(x.first, cosine, -__fmul_rn(x.second, sine)),
          __fmaf_rn(x.second, cosine, __fmul_rn(x.first, sine))};
}

}  // namespace glint::cuda
