#include "sampling/sample_outputs.h"

#include "sampling/params.h"

namespace glint {
namespace {

size_t block_bytes(int num_rows, int max_logprobs) {
  const auto columns = static_cast<size_t>(max_logprobs);
  const size_t row_bytes = sizeof(TokenId) + sizeof(float) +
                           columns * (sizeof(TokenId) + sizeof(float)) + sizeof(uint8_t);
  return static_cast<size_t>(num_rows) * row_bytes;
}

SampledRows rows_at(void* block, int num_rows, int max_logprobs) {
  const int num_top = num_rows * max_logprobs;
  SampledRows rows;
  rows.ids = static_cast<TokenId*>(block);
  rows.logprobs = reinterpret_cast<float*>(rows.ids + num_rows);
  rows.top_ids = reinterpret_cast<TokenId*>(rows.logprobs + num_rows);
  rows.top_logprobs = reinterpret_cast<float*>(rows.top_ids + num_top);
  rows.bad_numbers = reinterpret_cast<uint8_t*>(rows.top_logprobs + num_top);
  return rows;
}

}  // namespace

SampleOutputs::SampleOutputs(Backend& backend, int max_rows)
    : backend_(backend), device_(backend, block_bytes(max_rows, kMaxLogprobs)) {
  for (size_t place = 0; place < host_.size(); ++place) {
    host_[place] = make_host_buffer(backend, device_.size());
    copied_[place] = backend.make_event();
  }
}

SampleOutputs::~SampleOutputs() {
  for (const auto& copied : copied_) copied->wait();
}

SampledRows SampleOutputs::device_rows(int num_rows, int max_logprobs) const {
  CHECK(block_bytes(num_rows, max_logprobs) <= device_.size(), num_rows, " rows with ",
        max_logprobs, " log-probabilities are more than there is room for");
  return rows_at(device_.data(), num_rows, max_logprobs);
}

void SampleOutputs::download(int place, int num_rows, int max_logprobs) {
  const auto at = static_cast<size_t>(place);
  backend_.download_async(host_[at].get(), device_.data(), block_bytes(num_rows, max_logprobs));
  copied_[at]->record();
}

SampledRows SampleOutputs::wait(int place, int num_rows, int max_logprobs) {
  const auto at = static_cast<size_t>(place);
  copied_[at]->wait();
  return rows_at(host_[at].get(), num_rows, max_logprobs);
}

}  // namespace glint
