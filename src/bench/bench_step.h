#pragma once

// The integers of a step that ops are timed on: its rows, page tables, and which experts its rows
// choose.

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "bench/op_cost.h"
#include "model/config.h"

namespace glint {

inline constexpr int kBenchPageSize = 64;

// A step of the size, in the backend's memory. Sequences have their pages in random order.
class BenchStep {
 public:
  // Sets size.experts_hit to the mean over num_routings() ways to choose.
  BenchStep(Backend& backend, const ModelConfig& config, StepSize size);
  BenchStep(const BenchStep&) = delete;
  BenchStep& operator=(const BenchStep&) = delete;

  const StepSize& size() const { return size_; }
  const StepView& view() const { return view_; }
  int num_pages() const { return num_pages_; }  // of the cache
  RowList all_rows() const { return all_rows_; }
  TokenId* sampled_ids() const { return sampled_ids_; }    // [rows], -1 at first
  const int32_t* slots() const { return all_rows_.data; }  // [rows], row i's is i
  int num_routings() const { return static_cast<int>(routings_.size()); }
  const Routing& routing(int i) const { return routings_[static_cast<size_t>(i)]; }

 private:
  void make_sequences(const ModelConfig& config);
  void make_routings(const ModelConfig& config);
  Routing upload_routing(const ModelConfig& config, const std::vector<int32_t>& ids);
  template <typename T>
  T* upload(const std::vector<T>& values);

  Backend& backend_;
  StepSize size_;
  std::vector<Buffer> buffers_;
  PromptRows prompt_;
  StepView view_;
  RowList all_rows_;
  TokenId* sampled_ids_ = nullptr;
  std::vector<Routing> routings_;
  int num_pages_ = 0;
};

}  // namespace glint
