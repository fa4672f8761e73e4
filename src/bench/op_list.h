#pragma once

// Every op of backend.h, with the sizes that the model has for it.

#include <string>
#include <string_view>
#include <vector>

#include "bench/op_cases.h"
#include "bench/op_cost.h"

namespace glint {

enum class OpPlace {
  kEveryStep,
  kLogitRows,  // of rows that are sampled: a prompt has one, as a decode step of one row
  kAbsorbed,   // decode rows, and prompts where the backend has no faster form
  kExpanded,   // prompts where it has
};

struct BenchOp {
  std::string_view op;   // its name in backend.h
  std::string_view use;  // where it has several sizes in the model: which
  OpPlace place = OpPlace::kEveryStep;
  int (*calls)(const ModelConfig&) = nullptr;  // in a step; 0: the MTP layer's, or an alternative
  OpCost (*cost)(const ModelConfig&, const StepSize&) = nullptr;
  OpCase (*make)(OpCases&) = nullptr;

  std::string name() const;  // "linear.q_b"
  bool is_named(std::string_view wanted) const { return wanted == op || wanted == name(); }
  bool is_in(StepForm form, MlaForm prompt_form) const;
};

// In the order of a step.
const std::vector<BenchOp>& all_bench_ops();

}  // namespace glint
