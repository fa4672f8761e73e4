#pragma once

// 16 FP32 lanes in what registers this file is compiled for. Included by kernels_*.cpp alone,
// inside an anonymous namespace: nothing compiled for one CPU may be linked into code for another.

#include <immintrin.h>

#include "backend/view.h"

namespace glint::cpu {
namespace {

inline constexpr int kLanes = 16;

#if defined(__AVX512F__)

struct F32x16 {
  __m512 v;
};
inline F32x16 broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline F32x16 load(const bf16* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
inline void store(float* p, F32x16 x) { _mm512_storeu_ps(p, x.v); }
inline F32x16 multiply_add(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}

#elif defined(__FMA__)

struct F32x16 {
  __m256 lo, hi;
};
inline F32x16 broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline __m256 widen8(const bf16* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline F32x16 load(const bf16* p) { return {widen8(p), widen8(p + 8)}; }
inline void store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
inline F32x16 multiply_add(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}

#else

struct F32x16 {
  __m128 v[4];
};
inline F32x16 broadcast(float x) {
  const __m128 v = _mm_set1_ps(x);
  return {{v, v, v, v}};
}
inline F32x16 load(const float* p) {
  return {{_mm_loadu_ps(p), _mm_loadu_ps(p + 4), _mm_loadu_ps(p + 8), _mm_loadu_ps(p + 12)}};
}
inline __m128 widen4(const bf16* p) {
  const __m128i bits = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), bits));
}
inline F32x16 load(const bf16* p) {
  return {{widen4(p), widen4(p + 4), widen4(p + 8), widen4(p + 12)}};
}
inline void store(float* p, F32x16 x) {
  for (int i = 0; i < 4; ++i) _mm_storeu_ps(p + 4 * i, x.v[i]);
}
inline F32x16 multiply_add(F32x16 a, F32x16 b, F32x16 c) {
  for (int i = 0; i < 4; ++i) c.v[i] = _mm_add_ps(_mm_mul_ps(a.v[i], b.v[i]), c.v[i]);
  return c;
}

#endif

// The first n < 16 numbers, then zeros.
template <typename T>
inline F32x16 load_first(const T* p, int n) {
  T padded[kLanes] = {};
  for (int i = 0; i < n; ++i) padded[i] = p[i];
  return load(padded);
}

inline float sum(F32x16 x) {
  float lane[kLanes];
  store(lane, x);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

}  // namespace
}  // namespace glint::cpu
