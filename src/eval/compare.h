#pragma once

// Two evaluations of the same questions, question by question: whether one is better than the
// other shows in the questions that only one of them got right, long before it shows in the two
// accuracies.

#include <string>
#include <vector>

#include "eval/eval.h"

namespace glint {

struct Comparison {
  struct Difference {
    Judged a, b;  // one of them is right
  };
  size_t both = 0, only_a = 0, only_b = 0, neither = 0;
  size_t other_text = 0;  // questions whose answers differ by their text at all
  std::vector<Difference> differences;
  double p_value = 1;  // McNemar's exact test

  size_t all() const { return both + only_a + only_b + neither; }
};

// Files that --output wrote. The Error says where their questions differ.
Result<Comparison> compare_answers(const std::string& path_a, const std::string& path_b);

// How likely it is that of the questions which only one of two equally good models gets right, the
// split is at least this uneven: two-sided, by the binomial distribution (McNemar 1947, in its
// exact form); 1 for no such question.
double mcnemar_p_value(size_t only_a, size_t only_b);

std::string comparison_text(const Comparison& comparison, const std::string& name_a,
                            const std::string& name_b);
std::string comparison_json(const Comparison& comparison);

}  // namespace glint
