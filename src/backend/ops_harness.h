#pragma once

// What the tests of the ops share: numbers in a backend's memory with a copy on the host, steps
// over scattered pages, and the comparison with a reference in double.
//
// Everything starts as NaN: outputs, the gaps between rows, cache rows that no sequence has
// written. So what an op fails to write, or reads without right, shows.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace glint {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int integer(int min, int max) { return std::uniform_int_distribution(min, max)(engine_); }
  float normal() { return std::normal_distribution<float>()(engine_); }
  template <typename T>
  void shuffle(std::vector<T>& items) {
    std::shuffle(items.begin(), items.end(), engine_);
  }

 private:
  std::mt19937 engine_;
};

// [rows, cols] in the backend's memory, `gap` numbers between rows.
class Numbers {
 public:
  Numbers(Backend& backend, NumberType type, int rows, int cols, int gap = 3)
      : backend_(backend), type_(type), rows_(rows), cols_(cols), stride_(cols + gap) {
    host_.assign(static_cast<size_t>(rows) * static_cast<size_t>(stride_), kNan);
    buffer_ = Buffer(backend, host_.size() * static_cast<size_t>(bytes_per_number(type)));
    upload();
  }

  Numbers copy() const {
    Numbers copy(backend_, type_, rows_, cols_, stride_ - cols_);
    copy.host_ = host_;
    copy.upload();
    return copy;
  }

  Matrix view() const { return {buffer_.data(), type_, rows_, cols_, stride_}; }
  Matrix row(int r) const { return {view().at(r, 0), type_, 1, cols_, stride_}; }
  Matrix rows(int begin, int count) const {
    return {view().at(begin, 0), type_, count, cols_, stride_};
  }
  MatrixStack stack(int count) const {
    return {buffer_.data(), type_, count, rows_ / count, cols_};
  }
  int num_rows() const { return rows_; }
  int num_cols() const { return cols_; }

  double at(int r, int c) const { return host_[index(r, c)]; }
  void set(int r, int c, float value) { host_[index(r, c)] = value; }
  void fill_row(int r, Random& random, float scale = 1, float shift = 0) {
    for (int c = 0; c < cols_; ++c) set(r, c, shift + scale * random.normal());
  }
  Numbers& fill(Random& random, float scale = 1, float shift = 0) {
    for (int r = 0; r < rows_; ++r) fill_row(r, random, scale, shift);
    upload();
    return *this;
  }

  // To the backend; what the host has becomes what the type can hold.
  void upload() {
    std::vector<bf16> narrow;
    for (float& x : host_)
      if (type_ == NumberType::kBf16) x = to_float(narrow.emplace_back(to_bf16(x)));
    const void* from = narrow.empty() ? static_cast<const void*>(host_.data()) : narrow.data();
    backend_.upload(buffer_.data(), from, buffer_.size());
  }
  void download() {
    std::vector<bf16> narrow(type_ == NumberType::kBf16 ? host_.size() : 0);
    void* to = narrow.empty() ? static_cast<void*>(host_.data()) : narrow.data();
    backend_.download(to, buffer_.data(), buffer_.size());
    for (size_t i = 0; i < narrow.size(); ++i) host_[i] = to_float(narrow[i]);
  }

  bool is_nan_row(int r) const {
    return std::all_of(host_.begin() + r * stride_, host_.begin() + (r + 1) * stride_,
                       [](float x) { return std::isnan(x); });
  }
  bool gaps_are_nan() const {
    for (int r = 0; r < rows_; ++r)
      for (int c = cols_; c < stride_; ++c)
        if (!std::isnan(host_[index(r, c)])) return false;
    return true;
  }
  bool same_row(int r, const Numbers& other, int other_row) const {
    return std::memcmp(&host_[index(r, 0)], &other.host_[other.index(other_row, 0)],
                       sizeof(float) * static_cast<size_t>(cols_)) == 0;
  }

  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

 private:
  size_t index(int r, int c) const { return static_cast<size_t>(r * stride_ + c); }

  Backend& backend_;
  NumberType type_;
  int rows_, cols_;
  int stride_;
  std::vector<float> host_;
  Buffer buffer_;
};

class Integers {
 public:
  Integers() = default;
  Integers(Backend& backend, const std::vector<int32_t>& values)
      : buffer_(backend, values.size() * sizeof(int32_t)), size_(static_cast<int>(values.size())) {
    backend.upload(buffer_.data(), values.data(), buffer_.size());
  }
  int32_t* data() const { return static_cast<int32_t*>(buffer_.data()); }
  RowList list() const { return {data(), size_}; }

 private:
  Buffer buffer_;
  int size_ = 0;
};

// Pairs t * P + j by the expert that they chose, as Routing has them: begins, then pairs.
inline std::vector<int32_t> pairs_by_expert(const std::vector<int32_t>& ids, int num_experts) {
  std::vector<int32_t> begin, pairs;
  for (int e = 0; e < num_experts; ++e) {
    begin.push_back(static_cast<int32_t>(pairs.size()));
    for (size_t i = 0; i < ids.size(); ++i)
      if (ids[i] == e) pairs.push_back(static_cast<int32_t>(i));
  }
  begin.push_back(static_cast<int32_t>(pairs.size()));
  begin.insert(begin.end(), pairs.begin(), pairs.end());
  return begin;
}

// The experts and weights of T rows, on the backend and here.
class TestRouting {
 public:
  // Of `ids` [T, per_token].
  TestRouting(Backend& backend, const std::vector<int32_t>& ids, int per_token, int num_experts)
      : backend_(backend),
        per_token_(per_token),
        num_experts_(num_experts),
        host_ids_(ids),
        ids_(backend, ids),
        by_expert_(backend, pairs_by_expert(ids, num_experts)),
        weights_(backend, NumberType::kF32, num_tokens(), per_token, 0) {
    pairs_ = pairs_by_expert(ids, num_experts);
    pairs_.erase(pairs_.begin(), pairs_.begin() + num_experts + 1);
    rows_.resize(ids.size());
    for (size_t i = 0; i < pairs_.size(); ++i)
      rows_[static_cast<size_t>(pairs_[i])] = static_cast<int>(i);
  }
  // To be filled by route(). No pair is anybody's yet.
  TestRouting(Backend& backend, int num_tokens, int per_token, int num_experts, int num_shared = 0)
      : TestRouting(backend, std::vector<int32_t>(static_cast<size_t>(num_tokens * per_token), -1),
                    per_token, num_experts) {
    num_shared_ = num_shared;
    by_expert_ = Integers(
        backend, std::vector<int32_t>(static_cast<size_t>(num_experts + 1) + host_ids_.size(), -1));
  }

  Routing view() const {
    return {.num_tokens = num_tokens(),
            .n_shared_experts = num_shared_,
            .experts_per_row = per_token_,
            .expert_ids = ids_.data(),
            .weights = static_cast<float*>(weights_.view().data),
            .expert_begin = by_expert_.data(),
            .expert_pairs = by_expert_.data() + num_experts_ + 1};
  }
  // Of row t alone.
  TestRouting row(int t) const {
    const auto first = host_ids_.begin() + t * per_token_;
    TestRouting alone(backend_, std::vector<int32_t>(first, first + per_token_), per_token_,
                      num_experts_);
    for (int j = 0; j < per_token_; ++j)
      alone.weights_.set(0, j, static_cast<float>(weights_.at(t, j)));
    alone.weights_.upload();
    return alone;
  }
  // The last ids of a row are shared experts.
  TestRouting& set_num_shared(int num_shared) {
    num_shared_ = num_shared;
    return *this;
  }
  TestRouting& fill_weights(Random& random) {
    weights_.fill(random);
    return *this;
  }

  void download() {
    backend_.download(host_ids_.data(), ids_.data(), host_ids_.size() * sizeof(int32_t));
    weights_.download();
  }
  // As the backend has it, which is what expert_ids say.
  bool is_grouped() const {
    const std::vector<int32_t> expected = pairs_by_expert(host_ids_, num_experts_);
    std::vector<int32_t> found(expected.size());
    backend_.download(found.data(), by_expert_.data(), found.size() * sizeof(int32_t));
    return found == expected;
  }
  int expert(int t, int j) const { return host_ids_[static_cast<size_t>(t * per_token_ + j)]; }
  // Of the `ids` given: the pair t * P + j of the ith row in the order of the experts, and where a
  // pair's row is.
  int pair(int i) const { return pairs_[static_cast<size_t>(i)]; }
  int row_of(int pair) const { return rows_[static_cast<size_t>(pair)]; }
  const Numbers& weights() const { return weights_; }

 private:
  int num_tokens() const { return static_cast<int>(host_ids_.size()) / per_token_; }

  Backend& backend_;
  int per_token_, num_experts_, num_shared_ = 0;
  std::vector<int32_t> host_ids_;
  Integers ids_, by_expert_;
  std::vector<int32_t> pairs_;
  std::vector<int> rows_;
  Numbers weights_;
};

struct TestSequence {
  int cached_len = 0;
  int extend_len = 0;
};

// Sequences over pages in random order. Their page tables go on after the last page they need with
// entries that lead nowhere.
class TestStep {
 public:
  TestStep(Backend& backend, Random& random, const std::vector<TestSequence>& sequences,
           int page_size, int vocab_size)
      : page_size_(page_size) {
    for (const TestSequence& sequence : sequences)
      num_pages_ += (sequence.cached_len + sequence.extend_len + page_size - 1) / page_size + 1;
    std::vector<int32_t> free_pages(static_cast<size_t>(num_pages_));
    std::iota(free_pages.begin(), free_pages.end(), 0);
    random.shuffle(free_pages);
    for (const TestSequence& sequence : sequences) {
      const int index = static_cast<int>(page_begin_.size());
      const int length = sequence.cached_len + sequence.extend_len;
      page_begin_.push_back(static_cast<int32_t>(pages_.size()));
      prompts_.push_back(
          {num_tokens(), sequence.extend_len, sequence.cached_len, page_begin_.back()});
      for (int p = 0; p < length; p += page_size) {
        pages_.push_back(free_pages.back());
        free_pages.pop_back();
      }
      pages_.insert(pages_.end(), {std::numeric_limits<int32_t>::max(), -7});
      for (int p = sequence.cached_len; p < length; ++p) {
        token_ids_.push_back(random.integer(0, vocab_size - 1));
        positions_.push_back(p);
        token_sequence_.push_back(index);
      }
    }
    device_[0] = Integers(backend, token_ids_);
    device_[1] = Integers(backend, positions_);
    device_[2] = Integers(backend, token_sequence_);
    device_[3] = Integers(backend, page_begin_);
    device_[4] = Integers(backend, pages_);
  }

  int num_tokens() const { return static_cast<int>(token_ids_.size()); }
  int num_pages() const { return num_pages_; }
  int num_sequences() const { return static_cast<int>(page_begin_.size()); }
  int token_id(int t) const { return token_ids_[static_cast<size_t>(t)]; }
  int position(int t) const { return positions_[static_cast<size_t>(t)]; }
  int sequence(int t) const { return token_sequence_[static_cast<size_t>(t)]; }
  // The row of a [num_pages * page_size, row_size] cache where position p of token t's sequence is.
  int kv_row(int t, int p) const {
    return pages_[static_cast<size_t>(page_begin(t) + p / page_size_)] * page_size_ +
           p % page_size_;
  }

  StepView view() const {
    StepView view = this->view(0, num_tokens());
    view.prompts = {prompts_.data(), num_sequences()};
    return view;
  }
  // Tokens [begin, begin + count) alone, which are of one sequence where a prompt is attended.
  StepView view(int begin, int count) const {
    some_prompt_ = {0, count, position(begin), page_begin(begin)};
    return {.num_tokens = count,
            .num_sequences = num_sequences(),
            .token_ids = device_[0].data() + begin,
            .positions = device_[1].data() + begin,
            .token_sequence = device_[2].data() + begin,
            .page_begin = device_[3].data(),
            .pages = device_[4].data(),
            .prompts = {&some_prompt_, 1}};
  }
  KvPages cache(const Numbers& numbers) const {
    const Matrix view = numbers.view();
    return {view.data, view.type, num_pages_, page_size_, view.cols};
  }

 private:
  int page_begin(int t) const {
    return page_begin_[static_cast<size_t>(token_sequence_[static_cast<size_t>(t)])];
  }

  int page_size_;
  int num_pages_ = 0;
  std::vector<int32_t> token_ids_, positions_, token_sequence_, page_begin_, pages_;
  std::vector<PromptRows> prompts_;
  mutable PromptRows some_prompt_;  // of the last view(begin, count)
  Integers device_[5];
};

// Compares all of `out` with reference(row, column). Rounding to BF16 is off by at most 2^-9 of the
// number; sums in FP32 of up to a few hundred products of numbers around 1 by less than 2^-17 of
// the largest result (each addition by 2^-24 of a partial sum).
inline void expect_near(Numbers& out, const std::vector<int>& rows,
                        const std::function<double(int, int)>& reference) {
  out.download();
  const double relative = out.view().type == NumberType::kBf16 ? 0x1p-8 : 0;
  std::vector<double> expected;
  double largest = 1;
  for (const int r : rows)
    for (int c = 0; c < out.num_cols(); ++c) {
      expected.push_back(reference(r, c));
      largest = std::max(largest, std::abs(expected.back()));
    }
  size_t i = 0;
  for (const int r : rows)
    for (int c = 0; c < out.num_cols(); ++c, ++i) {
      const double error = std::abs(out.at(r, c) - expected[i]);
      ASSERT_TRUE(error <= relative * std::abs(expected[i]) + 0x1p-17 * largest)
          << "row " << r << ", column " << c << ": " << out.at(r, c) << ", expected "
          << expected[i];
    }
  EXPECT_TRUE(out.gaps_are_nan());
}

inline std::vector<int> all_rows(int count) {
  std::vector<int> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

inline void expect_near(Numbers& out, const std::function<double(int, int)>& reference) {
  expect_near(out, all_rows(out.num_rows()), reference);
}

inline double dot(const Numbers& x, int x_row, int x_begin, const Numbers& w, int w_row) {
  double sum = 0;
  for (int i = 0; i < w.num_cols(); ++i) sum += x.at(x_row, x_begin + i) * w.at(w_row, i);
  return sum;
}

inline double silu(double x) { return x / (1 + std::exp(-x)); }

inline double root_mean_square(const Numbers& x, int row, int size, double eps) {
  double sum = 0;
  for (int i = 0; i < size; ++i) sum += x.at(row, i) * x.at(row, i);
  return std::sqrt(sum / size + eps);
}

}  // namespace glint
