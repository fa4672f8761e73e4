#include "eval/gsm8k.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "eval/data_file.h"
#include "eval/eval.h"
#include "eval/last_number.h"
#include "eval/requests.h"

namespace glint {
namespace {

constexpr int kDefaultMaxNewTokens = 512;  // sglang.test.few_shot_gsm8k

std::string question_of(const Json& line) {
  return cat("Question: ", string_member(line, "question"), "\nAnswer:");
}

// What is asked, in the order of the file.
struct Questions {
  std::string examples;  // in front of each
  std::vector<Json> lines;
  std::vector<std::string> wanted;
};

// That client stops at such a file, too.
Result<std::string> number_of_line(const std::string& path, size_t number, const Json& line) {
  const std::string answer = string_member(line, "answer");
  if (const auto wanted = last_number(answer)) return *wanted;
  return Error{ErrorCode::kStartup, cat(path, " line ", number, ": no number in the answer \"",
                                        answer, "\"; expected one, as in \"#### 42\"")};
}

Result<Questions> read_questions(const EvalOptions& o) {
  const auto num_shots = static_cast<size_t>(o.chat ? 0 : o.num_shots);
  const auto count = static_cast<size_t>(o.num_questions);
  const size_t begin = o.ask_examples ? 0 : num_shots;
  std::vector<Json> lines =
      TRY(read_json_lines(o.data_path, {"question", "answer"}, std::max(num_shots, begin + count)));
  if (lines.size() <= begin) {
    return Error{ErrorCode::kStartup, cat(o.data_path, " has ", lines.size(),
                                          " lines, all of them examples: lower --num-shots")};
  }
  Questions questions{.examples = few_shot_examples(lines, num_shots), .lines = {}, .wanted = {}};
  for (size_t i = begin; i < std::min(lines.size(), begin + count); ++i) {
    questions.wanted.push_back(TRY(number_of_line(o.data_path, i + 1, lines[i])));
    questions.lines.push_back(std::move(lines[i]));
  }
  return questions;
}

Judged judge(const Json& line, const std::string& wanted, Judged answer) {
  const std::optional<std::string> said = last_number(answer.text);
  answer.group = string_member(line, "group");
  answer.question = string_member(line, "question");
  answer.wanted = wanted;
  answer.said = said.value_or("");
  answer.is_correct = said == wanted;
  answer.is_invalid = !said;
  return answer;
}

Result<Judged> complete(HttpClient& client, const EvalOptions& o, const std::string& prompt,
                        int max_new_tokens) {
  const Json body = {{"text", prompt},
                     {"sampling_params",
                      {{"temperature", o.temperature},
                       {"max_new_tokens", max_new_tokens},
                       {"stop", {"Question", "Assistant:", "<|separator|>"}}}}};
  return std::move(TRY(ask_generate(client, o.url, body)).answer);
}

Result<Judged> converse(HttpClient& client, const EvalOptions& o, const std::string& question) {
  const Json message = {{"role", "user"}, {"content", question}};
  return std::move(TRY(ask_chat(client, o, Json::array({message}), Json::object())).answer);
}

}  // namespace

std::string few_shot_examples(const std::vector<Json>& lines, size_t count) {
  std::string text;
  for (size_t i = 0; i < std::min(count, lines.size()); ++i) {
    text += cat(question_of(lines[i]), " ", string_member(lines[i], "answer"), "\n\n");
  }
  return text;
}

Result<EvalReport> eval_gsm8k(const EvalOptions& o) {
  const Questions questions = TRY(read_questions(o));
  EvalReport report{.task = o.chat ? "gsm8k, chat" : "gsm8k, few-shot", .model = model_of(o.url)};
  const int max_new_tokens = o.max_new_tokens.value_or(kDefaultMaxNewTokens);
  const auto ask = [&](HttpClient& client, size_t i) -> Result<Judged> {
    const Json& line = questions.lines[i];
    Judged answer =
        o.chat ? TRY(converse(client, o, string_member(line, "question")))
               : TRY(complete(client, o, questions.examples + question_of(line), max_new_tokens));
    return judge(line, questions.wanted[i], std::move(answer));
  };
  const double begin_s = now_s();
  if (!questions.examples.empty()) {  // once alone, so that the prefix cache has them; timed, too
    HttpClient client;
    TRY(complete(client, o, questions.examples, 0));
  }
  report.latency_s = now_s() - begin_s;
  TRY(answer_all(questions.lines.size(), o, ask, report));
  return report;
}

}  // namespace glint
