#include "sampling/sample_outputs.h"

#include "sampling/params.h"

namespace glint {
namespace {

size_t block_bytes(const SampledShape& shape) {
  const size_t row_bytes =
      sizeof(TokenId) + sizeof(float) +
      static_cast<size_t>(shape.max_logprobs) * (sizeof(TokenId) + sizeof(float)) +
      static_cast<size_t>(shape.max_logprob_ids) * sizeof(float) + sizeof(uint8_t);
  return static_cast<size_t>(shape.num_rows) * row_bytes;
}

SampledRows rows_at(void* block, const SampledShape& shape) {
  const int num_top = shape.num_rows * shape.max_logprobs;
  SampledRows rows;
  rows.ids = static_cast<TokenId*>(block);
  rows.logprobs = reinterpret_cast<float*>(rows.ids + shape.num_rows);
  rows.top_ids = reinterpret_cast<TokenId*>(rows.logprobs + shape.num_rows);
  rows.top_logprobs = reinterpret_cast<float*>(rows.top_ids + num_top);
  rows.id_logprobs = rows.top_logprobs + num_top;
  rows.bad_numbers =
      reinterpret_cast<uint8_t*>(rows.id_logprobs + shape.num_rows * shape.max_logprob_ids);
  return rows;
}

}  // namespace

SampleOutputs::SampleOutputs(Backend& backend, int max_rows)
    : backend_(backend),
      device_(backend, block_bytes({.num_rows = max_rows,
                                    .max_logprobs = kMaxLogprobs,
                                    .max_logprob_ids = kMaxLogprobIds})) {
  for (size_t place = 0; place < host_.size(); ++place) {
    host_[place] = make_host_buffer(backend, device_.size());
    copied_[place] = backend.make_event();
  }
}

SampleOutputs::~SampleOutputs() {
  for (const auto& copied : copied_) copied->wait();
}

SampledRows SampleOutputs::device_rows(const SampledShape& shape) const {
  CHECK(block_bytes(shape) <= device_.size(), shape.num_rows, " rows with ", shape.max_logprobs,
        " log-probabilities, and of ", shape.max_logprob_ids,
        " ids, are more than there is room for");
  return rows_at(device_.data(), shape);
}

void SampleOutputs::download(int place, const SampledShape& shape) {
  const auto at = static_cast<size_t>(place);
  backend_.download_async(host_[at].get(), device_.data(), block_bytes(shape));
  copied_[at]->record();
}

SampledRows SampleOutputs::wait(int place, const SampledShape& shape) {
  const auto at = static_cast<size_t>(place);
  copied_[at]->wait();
  return rows_at(host_[at].get(), shape);
}

}  // namespace glint
