#pragma once

// wgmma: d[64, N] (+)= a[64, 16] b[N, 16]^T in BF16 with FP32 sums, both operands from shared
// memory with k along a row. Of a warpgroup's thread in warp w with lane l, d[4 j + 2 r + c] is row
// 16 w + l / 4 + 8 r, column 8 j + 2 (l % 4) + c. A transposed operand has k down the rows
// (transposed_descriptor).

#include <cstdint>

#include "backend/cuda/ptx.cuh"

namespace glint::cuda {

// The operands of one instruction: %0 ... %(N / 2 - 1), in eights.
#define GLINT_REGS_0 "%0, %1, %2, %3, %4, %5, %6, %7"
#define GLINT_REGS_8 "%8, %9, %10, %11, %12, %13, %14, %15"
#define GLINT_REGS_16 "%16, %17, %18, %19, %20, %21, %22, %23"
#define GLINT_REGS_24 "%24, %25, %26, %27, %28, %29, %30, %31"
#define GLINT_REGS_32 "%32, %33, %34, %35, %36, %37, %38, %39"
#define GLINT_REGS_40 "%40, %41, %42, %43, %44, %45, %46, %47"
#define GLINT_REGS_48 "%48, %49, %50, %51, %52, %53, %54, %55"
#define GLINT_REGS_56 "%56, %57, %58, %59, %60, %61, %62, %63"
#define GLINT_REGS_64 "%64, %65, %66, %67, %68, %69, %70, %71"
#define GLINT_REGS_72 "%72, %73, %74, %75, %76, %77, %78, %79"
#define GLINT_REGS_80 "%80, %81, %82, %83, %84, %85, %86, %87"
#define GLINT_REGS_88 "%88, %89, %90, %91, %92, %93, %94, %95"
#define GLINT_REGS_96 "%96, %97, %98, %99, %100, %101, %102, %103"
#define GLINT_REGS_104 "%104, %105, %106, %107, %108, %109, %110, %111"
#define GLINT_REGS_112 "%112, %113, %114, %115, %116, %117, %118, %119"
#define GLINT_REGS_120 "%120, %121, %122, %123, %124, %125, %126, %127"

#define GLINT_OUT4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define GLINT_OUT8(i) GLINT_OUT4(i), GLINT_OUT4(i + 4)

// `accumulate` 0 overwrites d.
template <int N>
struct Wgmma;

// Operands after d: the two descriptors, `accumulate` and which is transposed, at these positions.
#define GLINT_WGMMA(N, A, B, P, TA, TB)                                                           \
  template <>                                                                                     \
  struct Wgmma<N> {                                                                               \
    template <bool kTransposedA = false, bool kTransposedB = false>                               \
    static __device__ void multiply(float (&d)[N / 2], uint64_t a, uint64_t b, int accumulate) {  \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P                                          \
                   ", 0;\n"                                                                       \
                   "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" GLINT_REGS_OF_##N \
                   "}, " A ", " B ", p, 1, 1, " TA ", " TB ";\n}\n"                               \
                   : GLINT_OUTS_OF_##N                                                            \
                   : "l"(a), "l"(b), "r"(accumulate), "n"(kTransposedA ? 1 : 0),                  \
                     "n"(kTransposedB ? 1 : 0));                                                  \
    }                                                                                             \
  };

#define GLINT_REGS_OF_8 "%0, %1, %2, %3"
#define GLINT_OUTS_OF_8 GLINT_OUT4(0)
#define GLINT_REGS_OF_16 GLINT_REGS_0
#define GLINT_OUTS_OF_16 GLINT_OUT8(0)
#define GLINT_REGS_OF_24 GLINT_REGS_OF_16 ", %8, %9, %10, %11"
#define GLINT_OUTS_OF_24 GLINT_OUTS_OF_16, GLINT_OUT4(8)
#define GLINT_REGS_OF_32 GLINT_REGS_OF_16 ", " GLINT_REGS_8
#define GLINT_OUTS_OF_32 GLINT_OUTS_OF_16, GLINT_OUT8(8)
#define GLINT_REGS_OF_48 GLINT_REGS_OF_32 ", " GLINT_REGS_16
#define GLINT_OUTS_OF_48 GLINT_OUTS_OF_32, GLINT_OUT8(16)
#define GLINT_REGS_OF_64 GLINT_REGS_OF_48 ", " GLINT_REGS_24
#define GLINT_OUTS_OF_64 GLINT_OUTS_OF_48, GLINT_OUT8(24)
#define GLINT_REGS_OF_80 GLINT_REGS_OF_64 ", " GLINT_REGS_32
#define GLINT_OUTS_OF_80 GLINT_OUTS_OF_64, GLINT_OUT8(32)
#define GLINT_REGS_OF_96 GLINT_REGS_OF_80 ", " GLINT_REGS_40
#define GLINT_OUTS_OF_96 GLINT_OUTS_OF_80, GLINT_OUT8(40)
#define GLINT_REGS_OF_104 GLINT_REGS_OF_96 ", %48, %49, %50, %51"
#define GLINT_OUTS_OF_104 GLINT_OUTS_OF_96, GLINT_OUT4(48)
#define GLINT_REGS_OF_112 GLINT_REGS_OF_96 ", " GLINT_REGS_48
#define GLINT_OUTS_OF_112 GLINT_OUTS_OF_96, GLINT_OUT8(48)
#define GLINT_REGS_OF_128 GLINT_REGS_OF_112 ", " GLINT_REGS_56
#define GLINT_OUTS_OF_128 GLINT_OUTS_OF_112, GLINT_OUT8(56)
#define GLINT_REGS_OF_144 GLINT_REGS_OF_128 ", " GLINT_REGS_64
#define GLINT_OUTS_OF_144 GLINT_OUTS_OF_128, GLINT_OUT8(64)
#define GLINT_REGS_OF_160 GLINT_REGS_OF_144 ", " GLINT_REGS_72
#define GLINT_OUTS_OF_160 GLINT_OUTS_OF_144, GLINT_OUT8(72)
#define GLINT_REGS_OF_176 GLINT_REGS_OF_160 ", " GLINT_REGS_80
#define GLINT_OUTS_OF_176 GLINT_OUTS_OF_160, GLINT_OUT8(80)
#define GLINT_REGS_OF_192 GLINT_REGS_OF_176 ", " GLINT_REGS_88
#define GLINT_OUTS_OF_192 GLINT_OUTS_OF_176, GLINT_OUT8(88)
#define GLINT_REGS_OF_208 GLINT_REGS_OF_192 ", " GLINT_REGS_96
#define GLINT_OUTS_OF_208 GLINT_OUTS_OF_192, GLINT_OUT8(96)
#define GLINT_REGS_OF_224 GLINT_REGS_OF_208 ", " GLINT_REGS_104
#define GLINT_OUTS_OF_224 GLINT_OUTS_OF_208, GLINT_OUT8(104)
#define GLINT_REGS_OF_240 GLINT_REGS_OF_224 ", " GLINT_REGS_112
#define GLINT_OUTS_OF_240 GLINT_OUTS_OF_224, GLINT_OUT8(112)
#define GLINT_REGS_OF_256 GLINT_REGS_OF_240 ", " GLINT_REGS_120
#define GLINT_OUTS_OF_256 GLINT_OUTS_OF_240, GLINT_OUT8(120)

GLINT_WGMMA(8, "%4", "%5", "%6", "%7", "%8")
GLINT_WGMMA(16, "%8", "%9", "%10", "%11", "%12")
GLINT_WGMMA(24, "%12", "%13", "%14", "%15", "%16")
GLINT_WGMMA(32, "%16", "%17", "%18", "%19", "%20")
GLINT_WGMMA(48, "%24", "%25", "%26", "%27", "%28")
GLINT_WGMMA(64, "%32", "%33", "%34", "%35", "%36")
GLINT_WGMMA(80, "%40", "%41", "%42", "%43", "%44")
GLINT_WGMMA(96, "%48", "%49", "%50", "%51", "%52")
GLINT_WGMMA(104, "%52", "%53", "%54", "%55", "%56")
GLINT_WGMMA(112, "%56", "%57", "%58", "%59", "%60")
GLINT_WGMMA(128, "%64", "%65", "%66", "%67", "%68")
GLINT_WGMMA(144, "%72", "%73", "%74", "%75", "%76")
GLINT_WGMMA(160, "%80", "%81", "%82", "%83", "%84")
GLINT_WGMMA(176, "%88", "%89", "%90", "%91", "%92")
GLINT_WGMMA(192, "%96", "%97", "%98", "%99", "%100")
GLINT_WGMMA(208, "%104", "%105", "%106", "%107", "%108")
GLINT_WGMMA(224, "%112", "%113", "%114", "%115", "%116")
GLINT_WGMMA(240, "%120", "%121", "%122", "%123", "%124")
GLINT_WGMMA(256, "%128", "%129", "%130", "%131", "%132")

// d[64, N] (+)= a[64, 64] b[N, 64]^T: both operands as matrix_descriptor() takes them.
template <int N>
__device__ void multiply_64_columns(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate) {
#pragma unroll
  for (int step = 0; step < 4; ++step)
    Wgmma<N>::multiply(d, a + 2 * step, b + 2 * step, accumulate || step > 0);
}

// d[64, 256] += a[64, 16] b[16, 256], a in registers and b transposed. Of the same thread, a[r + 2
// h] is the pair in row 16 w + l / 4 + 8 r, columns 8 h + 2 (l % 4) and the next.
__device__ inline void multiply_rows_by_256(float (&d)[128], const uint32_t (&a)[4], uint64_t b) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %133, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" GLINT_REGS_OF_256
      "}, {%128, %129, %130, %131}, %132, p, 1, 1, 1;\n}\n"
      : GLINT_OUTS_OF_256
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(1));
}

// Keeps the compiler from touching the sums while the tensor cores still add to them.
template <int kCount>
__device__ void pin(float (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

}  // namespace glint::cuda
