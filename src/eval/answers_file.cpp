#include "eval/answers_file.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "eval/data_file.h"

namespace glint {

Json answer_json(const Judged& answer) {
  return {{"index", answer.index},
          {"question", answer.question},
          {"group", answer.group},
          {"wanted", answer.wanted},
          {"said", answer.said},
          {"correct", answer.is_correct},
          {"invalid", answer.is_invalid},
          {"text", answer.text},
          {"reasoning", answer.reasoning},
          {"finish_reason", answer.finish_reason},
          {"completion_tokens", answer.completion_tokens},
          {"latency_s", answer.latency_s}};
}

void AnswersFile::add(const Judged& answer) {
  const std::lock_guard lock(mutex_);
  if (!file_.is_open()) file_.open(path_);
  file_ << to_json_text(answer_json(answer)) << std::endl;
}

Result<void> write_answers(const std::string& path, const EvalReport& report) {
  std::ofstream file(path);
  for (const Judged& answer : report.answers) file << to_json_text(answer_json(answer)) << "\n";
  file.flush();
  if (file) return {};
  return Error{ErrorCode::kStartup,
               cat("cannot write ", path, ": name another file with --output")};
}

Result<std::vector<Judged>> read_answers(const std::string& path) {
  std::vector<Judged> answers;
  const std::vector<Json> lines = TRY(
      read_json_lines(path, {"question", "said", "correct"}, std::numeric_limits<size_t>::max()));
  for (const Json& line : lines) {
    if (!line["correct"].is_boolean()) {
      return Error{ErrorCode::kStartup,
                   cat(path, " line ", answers.size() + 1, ": \"correct\" is ",
                       to_json_text(line["correct"]), "; expected true or false")};
    }
    answers.push_back({.index = answers.size(),
                       .group = string_member(line, "group"),
                       .question = string_member(line, "question"),
                       .wanted = string_member(line, "wanted"),
                       .said = string_member(line, "said"),
                       .text = string_member(line, "text"),
                       .is_correct = line["correct"].get<bool>()});
  }
  return answers;
}

}  // namespace glint
