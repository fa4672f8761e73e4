#pragma once

// For tests: the sample op over plain vectors, with its state and outputs in the backend's memory.

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "sampling/sample_outputs.h"
#include "sampling/slot_pool.h"

namespace glint {

struct SampleResult {
  TokenId id = 0;
  bool bad_numbers = false;
  float logprob = 0;
  std::vector<TokenId> top_ids;
  std::vector<float> top_logprobs;
  std::vector<float> id_logprobs;
  bool operator==(const SampleResult&) const = default;
};

// The test program's: cpu_test_backend.cpp or cuda_test_backend.cpp.
std::unique_ptr<Backend> make_test_backend();

class SampleHarness {
 public:
  static constexpr int kNumSlots = 16;
  static constexpr int kVocabSize = 4096;  // of the tables of counts

  explicit SampleHarness(std::unique_ptr<Backend> backend = make_test_backend())
      : backend_(std::move(backend)) {}

  // A slot of its own until kNumSlots more have started.
  int start(const SamplingParams& params, const std::vector<Trigger>& triggers = {},
            const std::vector<TokenId>& output = {}) {
    next_slot_ = (next_slot_ + 1) % kNumSlots;
    reset(next_slot_, params, triggers, output);
    return next_slot_;
  }
  void reset(int slot, const SamplingParams& params, const std::vector<Trigger>& triggers = {},
             const std::vector<TokenId>& output = {}) {
    pool_.begin_step();
    pool_.reset(slot, params, triggers, output);
    params_[static_cast<size_t>(slot)] = params;
  }

  // One row for each of `slots`. The rows are of one length; ids from num_valid_tokens on have no
  // token.
  std::vector<SampleResult> sample(const std::vector<int32_t>& slots,
                                   const std::vector<std::vector<float>>& rows,
                                   int num_valid_tokens) {
    std::vector<float> logits;
    for (const auto& row : rows) logits.insert(logits.end(), row.begin(), row.end());
    upload(logits_, logits);
    upload(row_slots_, slots);
    SampledShape shape{.num_rows = static_cast<int>(rows.size())};
    for (const int slot : slots) {
      shape.max_logprobs = std::max(shape.max_logprobs, params_of(slot).num_logprobs);
      shape.max_logprob_ids = std::max(shape.max_logprob_ids, params_of(slot).num_logprob_ids());
    }
    const SampledRows out = outputs_.device_rows(shape);
    SampleArgs args;
    args.logits = static_cast<const float*>(logits_.data());
    args.num_rows = shape.num_rows;
    args.vocab_size = static_cast<int>(rows.front().size());
    args.num_valid_tokens = num_valid_tokens;
    args.slots = pool_.slots();
    args.row_slots = static_cast<const int32_t*>(row_slots_.data());
    args.ids = out.ids;
    args.bad_numbers = out.bad_numbers;
    args.max_logprobs = shape.max_logprobs;
    args.logprobs = out.logprobs;
    args.top_ids = out.top_ids;
    args.top_logprobs = out.top_logprobs;
    args.max_logprob_ids = shape.max_logprob_ids;
    args.id_logprobs = out.id_logprobs;
    backend_->sample(args);
    outputs_.download(/*place=*/0, shape);
    const SampledRows sampled = outputs_.wait(/*place=*/0, shape);
    std::vector<SampleResult> results;
    for (int row = 0; row < shape.num_rows; ++row)
      results.push_back(result(sampled, row, slots[static_cast<size_t>(row)], shape));
    return results;
  }

  // One row of one slot, all ids with a token.
  SampleResult sample(int slot, const std::vector<float>& row) {
    return sample(std::vector<int32_t>{slot}, {row}, static_cast<int>(row.size())).front();
  }
  // The ids of `steps` draws from the same logits.
  std::vector<TokenId> draw(int slot, const std::vector<float>& row, int steps) {
    std::vector<TokenId> ids;
    for (int i = 0; i < steps; ++i) ids.push_back(sample(slot, row).id);
    return ids;
  }

 private:
  const SamplingParams& params_of(int slot) const { return params_[static_cast<size_t>(slot)]; }

  template <typename T>
  void upload(Buffer& buffer, const std::vector<T>& values) {
    const size_t bytes = values.size() * sizeof(T);
    if (buffer.size() < bytes) buffer = Buffer(*backend_, bytes);
    backend_->upload(buffer.data(), values.data(), bytes);
  }

  SampleResult result(const SampledRows& sampled, int row, int slot,
                      const SampledShape& shape) const {
    const SamplingParams& params = params_of(slot);
    SampleResult result;
    result.id = sampled.ids[row];
    result.bad_numbers = sampled.bad_numbers[row] != 0;
    if (params.num_logprobs < 0 || result.bad_numbers) return result;
    result.logprob = sampled.logprobs[row];
    const int begin = row * shape.max_logprobs, end = begin + params.num_logprobs;
    result.top_ids.assign(sampled.top_ids + begin, sampled.top_ids + end);
    result.top_logprobs.assign(sampled.top_logprobs + begin, sampled.top_logprobs + end);
    const float* of_ids = sampled.id_logprobs + row * shape.max_logprob_ids;
    result.id_logprobs.assign(of_ids, of_ids + params.num_logprob_ids());
    return result;
  }

  std::unique_ptr<Backend> backend_;
  SlotPool pool_{*backend_, kNumSlots, kVocabSize};
  SampleOutputs outputs_{*backend_, /*max_rows=*/64};
  std::vector<SamplingParams> params_ = std::vector<SamplingParams>(kNumSlots);
  int next_slot_ = -1;
  Buffer logits_, row_slots_;
};

}  // namespace glint
