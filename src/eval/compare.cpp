#include "eval/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json.h"
#include "eval/answers_file.h"

namespace glint {
namespace {

Result<void> check_same_questions(const std::vector<Judged>& a, const std::vector<Judged>& b,
                                  const std::string& path_a, const std::string& path_b) {
  if (a.size() != b.size()) {
    return Error{ErrorCode::kStartup,
                 cat(path_a, " has ", a.size(), " answers and ", path_b, " has ", b.size(),
                     "; expected the same questions: run both with one --num-questions")};
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].question == b[i].question) continue;
    return Error{ErrorCode::kStartup,
                 cat(path_a, " and ", path_b, " have other questions in line ", i + 1, ": \"",
                     a[i].question, "\" and \"", b[i].question, "\"")};
  }
  return {};
}

void count(Comparison& result, Judged a, Judged b) {
  if (a.text != b.text) ++result.other_text;
  if (a.is_correct == b.is_correct) {
    ++(a.is_correct ? result.both : result.neither);
    return;
  }
  ++(a.is_correct ? result.only_a : result.only_b);
  result.differences.push_back({.a = std::move(a), .b = std::move(b)});
}

std::string quoted(const Judged& answer) {
  return answer.said.empty() ? "no number" : cat("\"", answer.said, "\"");
}

std::string share(size_t correct, size_t all) {
  char text[96];
  const double p = all == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(all);
  std::snprintf(text, sizeof text, "%.3f +- %.3f (%zu of %zu)", p, standard_error(correct, all),
                correct, all);
  return text;
}

}  // namespace

Result<Comparison> compare_answers(const std::string& path_a, const std::string& path_b) {
  std::vector<Judged> a = TRY(read_answers(path_a));
  std::vector<Judged> b = TRY(read_answers(path_b));
  TRY(check_same_questions(a, b, path_a, path_b));
  Comparison result;
  for (size_t i = 0; i < a.size(); ++i) count(result, std::move(a[i]), std::move(b[i]));
  result.p_value = mcnemar_p_value(result.only_a, result.only_b);
  return result;
}

double mcnemar_p_value(size_t only_a, size_t only_b) {
  const auto n = static_cast<double>(only_a + only_b);
  double tail = 0;  // of the smaller count and all below it
  for (size_t k = 0; k <= std::min(only_a, only_b); ++k) {
    const auto x = static_cast<double>(k);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) -
                     n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

std::string comparison_text(const Comparison& c, const std::string& name_a,
                            const std::string& name_b) {
  std::string text = cat("A ", name_a, ": ", share(c.both + c.only_a, c.all()), "\nB ", name_b,
                         ": ", share(c.both + c.only_b, c.all()), "\n\n");
  text += cat("both right    ", c.both, "\nonly A right  ", c.only_a, "\nonly B right  ", c.only_b,
              "\nboth wrong    ", c.neither, "\nother text    ", c.other_text, "\n");
  char p_value[160];
  std::snprintf(p_value, sizeof p_value, "McNemar's exact test: p = %.3f (%s)\n", c.p_value,
                c.p_value < 0.05 ? "the difference is more than chance would often give"
                                 : "two equal models differ as much as this often");
  text += p_value;
  for (const Comparison::Difference& d : c.differences) {
    text += cat("\n", d.a.index + 1, ". only ", d.a.is_correct ? "A" : "B",
                " is right: ", d.a.question, "\n   expected \"", d.a.wanted, "\"; A said ",
                quoted(d.a), ", B said ", quoted(d.b), "\n");
  }
  return text;
}

std::string comparison_json(const Comparison& c) {
  Json json = {{"questions", c.all()},     {"both_right", c.both},
               {"only_a_right", c.only_a}, {"only_b_right", c.only_b},
               {"both_wrong", c.neither},  {"other_text", c.other_text},
               {"mcnemar_p", c.p_value},   {"differences", Json::array()}};
  for (const Comparison::Difference& d : c.differences) {
    json["differences"].push_back({{"a", answer_json(d.a)}, {"b", answer_json(d.b)}});
  }
  return to_json_text(json);
}

}  // namespace glint
