#pragma once

// Accuracy of a running server, measured over its HTTP API.

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace glint {

// After each answer: how many there are of how many.
using EvalProgress = std::function<void(size_t done, size_t all)>;

struct Judged;

struct EvalOptions {
  std::string url = "http://127.0.0.1:30000";
  std::string data_path;    // JSON Lines
  int num_shots = 5;        // gsm8k without chat: examples before each question
  int num_questions = 200;  // the first of the file, or the first that are no examples
  // The examples are the file's first lines. SGLang's client asks those too, with their own answers
  // in front; false: questions begin after them.
  bool ask_examples = true;
  std::optional<int> max_new_tokens;  // nothing: 512; in chat, what the server allows
  int parallel = 128;                 // requests under way at once
  double temperature = 0;
  bool chat = false;     // gsm8k: each question as a chat turn, without examples
  bool thinking = true;  // in chat
  EvalProgress on_progress{};
  // Each answer as it comes; several at once, on other threads.
  std::function<void(const Judged& answer)> on_answer{};
  // Once it is true no further question is asked, and the report has those that were.
  const std::atomic<bool>* stop = nullptr;
};

// One question and what came of it.
struct Judged {
  size_t index = 0;     // of its question among those that were to be asked
  std::string group{};  // as the data file says, or ""
  std::string question{};
  std::string wanted{};         // gsm8k: the number; tools: the calls as JSON
  std::string said{};           // the same, of the answer; "" if there was none
  std::string text{};           // the whole answer, without its reasoning
  std::string reasoning{};      // in chat
  std::string finish_reason{};  // as the server names it
  long completion_tokens = 0;   // reasoning included
  double latency_s = 0;         // from the request to its whole answer
  bool is_correct = false;
  bool is_invalid = false;  // nothing in the answer could be judged
};

struct EvalReport {
  std::string task;
  std::string model{};            // as the server names it, or ""
  size_t num_questions = 0;       // that were to be asked
  std::vector<Judged> answers{};  // in the order of the file
  double latency_s = 0;           // of all requests together

  long completion_tokens() const;
};

// Word problems in GSM8K's form, {"question", "answer"} a line, by SGLang's few-shot protocol
// (sglang.test.few_shot_gsm8k): /generate without a chat template, the last number counts.
Result<EvalReport> eval_gsm8k(const EvalOptions& options);

// Tool use: {"messages", "tools", "calls"} a line. An answer is right if it makes exactly these
// calls, with these arguments, in this order.
Result<EvalReport> eval_tools(const EvalOptions& options);

// The lines that sglang.test.few_shot_gsm8k prints; then the standard error of the accuracy, how
// many answers a limit cut off, and the accuracy of each group.
std::string report_text(const EvalReport& report);
std::string report_json(const EvalReport& report);

// sqrt(p (1 - p) / n) of `correct` out of `all`; 0 for none.
double standard_error(size_t correct, size_t all);

}  // namespace glint
