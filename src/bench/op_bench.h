#pragma once

// Times every op at a model's sizes, alone: what a decode step or a prompt is made of.
//
// A time is of the host's clock from the start of a batch of calls to the device's word that all
// are done. Where the backend records, the calls are a recording, as those of a decode step are;
// attention of prompts, and every op elsewhere, is started call by call.

#include <functional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "bench/op_cost.h"
#include "bench/op_list.h"
#include "model/config.h"

namespace glint {

struct OpBenchOptions {
  std::vector<int> decode_rows{};   // sizes of decode steps
  std::vector<int> prefill_rows{};  // lengths of prompts
  int context = 1024;               // of the rows that decode
  std::vector<std::string> ops{};   // names; empty: all
  double batch_s = 0.02;            // a batch takes at least this
  int num_batches = 5;              // of which the median counts
};

struct OpResult {
  const BenchOp* op = nullptr;
  StepSize size;
  OpCost cost;
  int calls_per_step = 0;
  double microseconds = 0;
};

struct OpBenchReport {
  std::string device, gpu_name;  // gpu_name: empty on the CPU
  bool records = false;
  int context = 0;
  std::vector<OpResult> results;      // op by op, then by size
  std::vector<std::string> left_out;  // why not, a sentence each
  bool is_whole_step = false;         // no op was left out
};

// `progress` is told what comes next.
OpBenchReport bench_ops(Backend& backend, const ModelConfig& config, const OpBenchOptions& options,
                        const Clock& clock,
                        const std::function<void(const std::string&)>& progress = {});

}  // namespace glint
