#pragma once

#include <string_view>

namespace glint {

// An answer on stdout, piece by piece. Reasoning is dimmed on a terminal, and stands between
// <think> and </think> elsewhere or with NO_COLOR; each tool call has a line.
class AnswerPrinter {
 public:
  AnswerPrinter();

  void reasoning(std::string_view text);
  void content(std::string_view text);
  void call(std::string_view name);
  void arguments(std::string_view fragment);  // of the last call
  void finish();                              // once, after the last piece

 private:
  enum class Part { kNothing, kReasoning, kContent, kCall };
  void begin(Part part);

  bool can_dim_;
  Part part_ = Part::kNothing;
};

}  // namespace glint
