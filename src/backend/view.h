#pragma once

// Views of numbers in a backend's memory: no ownership, shapes beside the pointers. Plain structs,
// so that a kernel can take them.

#include <bit>
#include <cstdint>

namespace glint {

struct bf16 {
  uint16_t bits;
};

inline float to_float(bf16 x) { return std::bit_cast<float>(uint32_t{x.bits} << 16); }

// Rounds to nearest, ties to even, as hardware does. NaN stays NaN.
inline bf16 to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return {static_cast<uint16_t>(bits >> 16 | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

enum class NumberType { kF32, kBf16 };

inline constexpr int64_t bytes_per_number(NumberType type) {
  return type == NumberType::kF32 ? 4 : 2;
}

template <typename T>
struct VectorView {
  T* data = nullptr;
  int size = 0;
};

// [rows, cols] of one C++ type; row r begins at data + r * stride.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  int rows = 0;
  int cols = 0;
  int64_t stride = 0;  // elements
};

// [rows, cols] of FP32 or BF16, known at run time: activations and weights.
struct Matrix {
  void* data = nullptr;
  NumberType type = NumberType::kF32;
  int rows = 0;
  int cols = 0;
  int64_t stride = 0;  // elements, >= cols

  void* at(int64_t row, int64_t col) const {
    return static_cast<char*>(data) + (row * stride + col) * bytes_per_number(type);
  }
  Matrix columns(int begin, int count) const { return {at(0, begin), type, rows, count, stride}; }
  Matrix first_rows(int count) const { return {data, type, count, cols, stride}; }
  Matrix row_range(int begin, int count) const { return {at(begin, 0), type, count, cols, stride}; }
};

inline Matrix contiguous(void* data, NumberType type, int rows, int cols) {
  return {data, type, rows, cols, cols};
}

// The same matrix for each of `count` experts or heads, one after another: [count, rows, cols].
struct MatrixStack {
  void* data = nullptr;
  NumberType type = NumberType::kF32;
  int count = 0;
  int rows = 0;
  int cols = 0;

  Matrix operator[](int i) const {
    return contiguous(static_cast<char*>(data) + int64_t{i} * rows * cols * bytes_per_number(type),
                      type, rows, cols);
  }
};

// The KV rows of one layer: pages of page_size rows of row_size numbers. What no sequence has
// written may be anything, NaN too.
struct KvPages {
  void* data = nullptr;
  NumberType type = NumberType::kF32;
  int num_pages = 0;
  int page_size = 0;
  int row_size = 0;  // kv_lora_rank + qk_rope_head_dim

  void* row(int64_t page, int64_t slot) const {
    return static_cast<char*>(data) + (page * page_size + slot) * row_size * bytes_per_number(type);
  }
};

// The rows of a sequence in the form of a prompt: rows [row_begin, row_begin + num_rows) of the
// step, at positions cached_len and on.
struct PromptRows {
  int row_begin = 0;
  int num_rows = 0;
  int cached_len = 0;
  int page_begin = 0;  // as in StepView
};

// A step's rows, T of them, sequence after sequence. All pointers are to the backend's memory
// but `prompts`, which the host reads while an op is called.
struct StepView {
  int num_tokens = 0;                       // T
  int num_sequences = 0;                    // S
  const int32_t* token_ids = nullptr;       // [T]
  const int32_t* positions = nullptr;       // [T] of the row in its sequence, from 0
  const int32_t* token_sequence = nullptr;  // [T] in [0, S)
  const int32_t* page_begin = nullptr;      // [S] where the sequence's page table begins in `pages`
  const int32_t* pages = nullptr;  // row p of a sequence: page pages[page_begin + p / page_size],
                                   // slot p % page_size. Entries past the last row's are not read
  const int32_t* sequence_slot = nullptr;     // [S] where its sampling state is (SampleSlot)
  VectorView<const PromptRows> prompts = {};  // of the rows that are attended in the expanded form

  // Some of the step's rows, for ops that take each by itself: all but attention.
  StepView row_range(int begin, int count) const {
    StepView some = *this;
    some.num_tokens = count;
    some.token_ids += begin;
    some.positions += begin;
    some.token_sequence += begin;
    return some;
  }
};

// Some of a step's rows, by index, ascending; in the backend's memory.
using RowList = VectorView<const int32_t>;

}  // namespace glint
