#pragma once

// The answers of an evaluation, one JSON object a line: what --output writes and compare reads.

#include <fstream>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "eval/eval.h"

namespace glint {

// {"index", "question", "group", "wanted", "said", "correct", "invalid", "text", "reasoning",
// "finish_reason", "completion_tokens", "latency_s"}
Json answer_json(const Judged& answer);

// The file while answers come in, in that order: a run that breaks off leaves those it had.
class AnswersFile {
 public:
  // What is in it stays there until the first answer.
  explicit AnswersFile(std::string path) : path_(std::move(path)) {}

  void add(const Judged& answer);  // any thread
  bool has_some() const { return file_.is_open(); }

 private:
  const std::string path_;
  std::mutex mutex_;
  std::ofstream file_;
};

// All of them, in the order of their questions.
Result<void> write_answers(const std::string& path, const EvalReport& report);

// Needs "question", "said" and "correct" of each line.
Result<std::vector<Judged>> read_answers(const std::string& path);

}  // namespace glint
