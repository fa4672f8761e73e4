#pragma once

// The instructions of Hopper that CUDA C++ has no words for, each as one function.
// Source: PTX ISA 9.0, "Parallel Synchronization and Communication Instructions: mbarrier",
// "Data Movement and Conversion Instructions: Asynchronous copy", "Asynchronous Warpgroup Level
// Matrix Instructions".

#include <cuda.h>

#include <cstdint>

namespace glint::cuda {

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// An mbarrier in shared memory: a phase ends when all its arrivals, and the bytes they announced,
// have come.
struct Barrier {
  uint64_t word;

  __device__ void init(int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&word)),
                 "r"(arrivals));
  }
  __device__ void arrive() {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&word))
                 : "memory");
  }
  __device__ void arrive_expecting(int bytes) {
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&word)),
        "r"(bytes)
        : "memory");
  }
  // Waits until the phase of this parity has ended; phases count from 0.
  __device__ void wait(uint32_t parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra over;\n"
        "bra again;\n"
        "over:\n"
        "}\n" ::"r"(shared_address(&word)),
        "r"(parity)
        : "memory");
  }
  // The same where other blocks of the cluster arrive or store: sees what they wrote before.
  __device__ void wait_cluster(uint32_t parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
        "@done bra over;\n"
        "bra again;\n"
        "over:\n"
        "}\n" ::"r"(shared_address(&word)),
        "r"(parity)
        : "memory");
  }
};

// After Barrier::init, before other threads or the copy engine use them.
__device__ inline void fence_barrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// What this thread has written to shared memory becomes visible to tensor cores and copy engine.
__device__ inline void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// 16 bytes from global to shared memory.
__device__ inline void copy_16_bytes(uint32_t to_shared, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to_shared), "l"(from) : "memory");
}
// An arrival at `barrier` once all of this thread's copies so far have come.
__device__ inline void arrive_when_copied(Barrier& barrier) {
  asm volatile(
      "cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(shared_address(&barrier.word))
      : "memory");
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most kPending of this thread's groups are under way.
template <int kPending>
__device__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Whether what a copy reads is read again soon, by whatever block. What is not leaves L2 first.
// What is comes without a policy: copies with L2::evict_normal are slower (docs/kernels/gemm.md).
enum class Reads { kOnce, kAgain };
__device__ inline uint64_t evict_first() {
  uint64_t policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

// A tile of a tensor map to shared memory; its bytes count towards `barrier`.
__device__ inline void load_tile(void* to_shared, const CUtensorMap& map, Barrier& barrier,
                                 Reads reads, int c0, int c1, int c2) {
  if (reads == Reads::kAgain)
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes"
        " [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(shared_address(to_shared)),
        "l"(&map), "r"(shared_address(&barrier.word)), "r"(c0), "r"(c1), "r"(c2)
        : "memory");
  else
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes"
        ".L2::cache_hint [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(shared_address(to_shared)),
        "l"(&map), "r"(shared_address(&barrier.word)), "r"(c0), "r"(c1), "r"(c2), "l"(evict_first())
        : "memory");
}
__device__ inline void load_tile(void* to_shared, const CUtensorMap& map, Barrier& barrier,
                                 Reads reads, int c0, int c1, int c2, int c3, int c4) {
  if (reads == Reads::kAgain)
    asm volatile(
        "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes"
        " [%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(shared_address(to_shared)),
        "l"(&map), "r"(shared_address(&barrier.word)), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)
        : "memory");
  else
    asm volatile(
        "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes"
        ".L2::cache_hint [%0], [%1, {%3, %4, %5, %6, %7}], [%2], %8;" ::"r"(
            shared_address(to_shared)),
        "l"(&map), "r"(shared_address(&barrier.word)), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4),
        "l"(evict_first())
        : "memory");
}
__device__ inline void prefetch_map(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

// A matrix of 64 BF16 columns in shared memory, 128 bytes a row, swizzled over 8 rows of 1,024
// bytes (the copy engine's 128-byte swizzle), as wgmma takes it: start / 16, rows of 8 that lie
// `rows_bytes` apart, layout 1. The next 16 columns lie 32 bytes further.
__device__ inline uint64_t matrix_descriptor(uint32_t shared, uint32_t rows_bytes = 1024) {
  return uint64_t{(shared & 0x3ffff) >> 4} | uint64_t{1} << 16 | uint64_t{rows_bytes >> 4} << 32 |
         uint64_t{1} << 62;
}

// The same memory as a transposed operand: the matrix's rows are k, its 64 columns are rows of the
// operand, and the operand's next 64 rows are another such matrix `group_bytes` further. The next
// 16 of k lie 2 * rows_bytes further.
__device__ inline uint64_t transposed_descriptor(uint32_t shared, uint32_t group_bytes,
                                                 uint32_t rows_bytes = 1024) {
  return uint64_t{(shared & 0x3ffff) >> 4} | uint64_t{group_bytes >> 4} << 16 |
         uint64_t{rows_bytes >> 4} << 32 | uint64_t{1} << 62;
}

// Where a tile of rows of 128 bytes has the 16-byte pieces of a row once the copy engine swizzled
// them, as tensor cores want: in bytes.
__device__ inline int swizzled(int row, int piece) { return row * 128 + (piece ^ row % 8) * 16; }

// The same operand so many bytes further, a multiple of 16, in shared memory.
__device__ inline uint64_t further(uint64_t descriptor, int bytes) {
  const auto start = static_cast<uint32_t>(descriptor) + static_cast<uint32_t>(bytes >> 4);
  return descriptor >> 32 << 32 | start;
}

// Four 8 x 8 matrices of BF16, transposed, to shared memory: lane l gives where row l % 8 of matrix
// l / 8 goes, and has two numbers side by side in a column of each, which becomes a row.
__device__ inline void store_matrices_transposed(uint32_t to, const uint32_t (&x)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to),
               "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3])
               : "memory");
}

// The same of two matrices; addresses are those of lanes 0 ... 15.
__device__ inline void store_matrices_transposed(uint32_t to, const uint32_t (&x)[2]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(to),
               "r"(x[0]), "r"(x[1])
               : "memory");
}

// Blocks of a cluster: this one's place among them, and a barrier of all their threads, after which
// each sees what the others wrote to their shared memory before.
__device__ inline int cluster_rank() {
  int rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
__device__ inline void sync_cluster() {
  asm volatile(
      "barrier.cluster.arrive.release.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;" ::
          : "memory");
}
// The same in two steps where this thread has nothing to show but barriers that
// fence_barrier_init() followed: a release waits for all its stores.
__device__ inline void arrive_at_cluster_with_barriers() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}
__device__ inline void wait_for_cluster() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
// Where `shared`, a shared_address() of this block, lies in the block of that rank.
__device__ inline uint32_t address_in_block(uint32_t shared, int rank) {
  uint32_t there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(shared), "r"(rank));
  return there;
}
// Sends 16 bytes to another block's shared memory; they count towards a barrier there. Both
// addresses are address_in_block()'s.
__device__ inline void send_16_bytes(uint32_t to, const uint4& x, uint32_t barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%0], {%1, %2, %3, %4}, "
      "[%5];" ::"r"(to),
      "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w), "r"(barrier)
      : "memory");
}
// The same of 8 bytes.
__device__ inline void send_8_bytes(uint32_t to, float a, float b, uint32_t barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];" ::"r"(
          to),
      "f"(a), "f"(b), "r"(barrier)
      : "memory");
}
__device__ inline void send_8_bytes(uint32_t to, uint64_t x, uint32_t barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.b64 [%0], %1, [%2];" ::"r"(to), "l"(x),
      "r"(barrier)
      : "memory");
}
// The same of 4 bytes.
__device__ inline void send_4_bytes(uint32_t to, uint32_t x, uint32_t barrier) {
  asm volatile(
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];" ::"r"(to), "r"(x),
      "r"(barrier)
      : "memory");
}
// An arrival at a barrier of another block, after what this thread did before.
__device__ inline void arrive_in_block(uint32_t barrier) {
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(barrier)
               : "memory");
}
// Waits until so many threads have come to `barrier`, of whole warps. 0 is __syncthreads()'s.
__device__ inline void sync_threads(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
// Waits for the other warps of this warpgroup.
__device__ inline void sync_warpgroup(int warpgroup) { sync_threads(warpgroup + 1, 128); }

__device__ inline void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int kPending>
__device__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// 2^x to about two units of the last place; exact for 0 and -infinity.
__device__ inline float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

template <int kRegisters>
__device__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace glint::cuda
