#pragma once

// What the sample op writes, from the backend's memory to the host: one block and one copy a step,
// which is waited for only when the step is collected.

#include <array>
#include <memory>

#include "backend/backend.h"
#include "backend/sample.h"

namespace glint {

// How much a step's rows have.
struct SampledShape {
  int num_rows = 0;
  int max_logprobs = 0;
  int max_logprob_ids = 0;
};

// The outputs of SampleArgs, one after another in one block, here or there.
struct SampledRows {
  TokenId* ids = nullptr;          // [num_rows]
  float* logprobs = nullptr;       // [num_rows]
  TokenId* top_ids = nullptr;      // [num_rows, max_logprobs]
  float* top_logprobs = nullptr;   // [num_rows, max_logprobs]
  float* id_logprobs = nullptr;    // [num_rows, max_logprob_ids]
  uint8_t* bad_numbers = nullptr;  // [num_rows]
};

class SampleOutputs {
 public:
  static constexpr int kInFlight = 2;  // steps whose outputs have a place on the host

  SampleOutputs(Backend& backend, int max_rows);
  ~SampleOutputs();  // waits for the copies
  SampleOutputs(const SampleOutputs&) = delete;
  SampleOutputs& operator=(const SampleOutputs&) = delete;

  // Where the op writes; the backend's memory, for one step after the other.
  SampledRows device_rows(const SampledShape& shape) const;
  // Enqueues the copy to place `place`, in [0, kInFlight), also for no rows.
  void download(int place, const SampledShape& shape);
  // Waits for the copy. Valid until the next download() to the place.
  SampledRows wait(int place, const SampledShape& shape);

 private:
  Backend& backend_;
  Buffer device_;
  std::array<HostBuffer, kInFlight> host_;
  std::array<std::unique_ptr<Event>, kInFlight> copied_;
};

}  // namespace glint
