#include "apps/answer_printer.h"

#include <unistd.h>

#include <cstdio>

#include "model/hub.h"

namespace glint {
namespace {

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

AnswerPrinter::AnswerPrinter()
    : can_dim_(isatty(STDOUT_FILENO) == 1 && !process_environment("NO_COLOR")) {}

void AnswerPrinter::reasoning(std::string_view text) {
  if (text.empty()) return;
  begin(Part::kReasoning);
  // Each piece is undimmed again: whatever ends the program leaves the terminal as it was.
  print(can_dim_ ? cat("\033[2m", text, "\033[0m") : std::string(text));
}

void AnswerPrinter::content(std::string_view text) {
  if (text.empty()) return;
  begin(Part::kContent);
  print(text);
}

void AnswerPrinter::call(std::string_view name) {
  begin(Part::kCall);
  print(cat("[calls ", name, "] "));
}

void AnswerPrinter::arguments(std::string_view fragment) { print(fragment); }

void AnswerPrinter::finish() { begin(Part::kNothing); }

void AnswerPrinter::begin(Part part) {
  if (part == part_ && part != Part::kCall) return;
  const bool closes_reasoning = part_ == Part::kReasoning && part != Part::kNothing;
  if (closes_reasoning) print(can_dim_ ? "\n" : "</think>\n");
  if (part_ != Part::kNothing) print("\n");
  if (part == Part::kReasoning && !can_dim_) print("<think>");
  part_ = part;
}

}  // namespace glint
