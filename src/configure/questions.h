#pragma once

// The questions between a person and a launch command: one table, which the terminal, the flags and
// the web page of `glint configure` all show, and one reading of the answers.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/gpu_table.h"

namespace glint {

struct AnswerValue {
  std::string value;    // as it is typed and sent
  std::string label;    // for a person
  std::string not_yet;  // why this build cannot do it, in a sentence; empty if it can
};

struct Question {
  std::string id;     // the flag's name without its dashes, and the key in JSON
  std::string label;  // "GPU"
  std::string help;   // what it changes, in a sentence
  // One of these; none: a whole number from `least` to `most`, or any text if `most` is 0.
  std::vector<AnswerValue> values;
  int least = 0, most = 0;
  std::string preset;

  bool is_number() const { return values.empty() && most > 0; }
};

// What is known of the program and the machine that it runs on.
struct Machine {
  std::string gpu_name;   // as its driver says it; empty: none was found
  bool has_cuda = false;  // the CUDA backend is in this program
};

// In the order in which they are asked. The GPU that is here is the first one's preset.
std::vector<Question> configure_questions(const Machine& machine);

// By question id; what is missing takes its preset.
using Answers = std::vector<std::pair<std::string, std::string>>;

// All answers, with their meaning.
struct Setup {
  const GpuInfo* gpu = nullptr;
  bool fp8 = false;
  int tp = 1;  // GPUs that share one copy of the model
  int dp = 1;  // copies
  bool mtp = false;
  bool reasoning_parser = true, tool_call_parser = true;
  int concurrency = 0;  // requests at once
  int context = 0;      // tokens of one, prompt and answer
  bool listens_to_network = false;
  int port = 0;
  std::string model;
  std::vector<std::string> not_yet;  // the chosen values' sentences
};

// The Error names an unknown question or value, and what was expected.
Result<Setup> read_answers(const std::vector<Question>& questions, const Answers& answers);

// Whether one answer fits its question.
Result<void> check_answer(const Question& question, std::string_view answer);

}  // namespace glint
