#pragma once

// Matrix fragments of a warp: ldmatrix and mma.m16n8k16 in BF16 with FP32 sums.
// Source: PTX ISA 9.0, "Matrix Fragments for mma.m16n8k16", "ldmatrix".
//
// Of lane l, with g = l / 4 and t = l % 4 (pairs are two numbers in one register, lower first):
// a[0..3]: rows g, g + 8, g, g + 8; columns (k) 2t, 2t, 2t + 8, 2t + 8 and the next
// b[0..1]: column (n) g; rows (k) 2t, 2t + 8 and the next
// d[0..3]: rows g, g, g + 8, g + 8; columns 2t, 2t + 1, 2t, 2t + 1

#include <cstdint>

namespace glint::cuda {

// Four matrices of 8 x 8 numbers: lanes 8 i ... 8 i + 7 give the addresses (16-byte aligned) of the
// rows of matrix i, and every lane gets of it the pair in row g, columns 2t and 2t + 1.
__device__ inline void load_matrices(uint32_t (&r)[4], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared)
               : "memory");
}
// The same, transposed: the pair in rows 2t and 2t + 1, column g.
__device__ inline void load_matrices_transposed(uint32_t (&r)[4], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared)
               : "memory");
}

// d[16, 8] += a[16, 16] b[16, 8]
__device__ inline void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace glint::cuda
