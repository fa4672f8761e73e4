#include "eval/gsm8k.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "eval/data_file.h"
#include "eval/eval.h"
#include "eval/requests.h"

namespace glint {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string question_of(const Json& line) {
  return cat("Question: ", string_member(line, "question"), "\nAnswer:");
}

Judged judge(const Json& line, std::string got) {
  const auto wanted = last_number(string_member(line, "answer"));
  const auto said = last_number(got);
  return {.group = string_member(line, "group"),
          .wanted = wanted.value_or(""),
          .got = std::move(got),
          .is_correct = said && said == wanted,
          .is_invalid = !said};
}

long member_count(const Json& answer, const char* object, const char* key) {
  if (!answer.contains(object) || !answer[object].is_object()) return 0;
  const auto found = answer[object].find(key);
  return found != answer[object].end() && found->is_number_integer() ? found->get<long>() : 0;
}

struct Said {
  std::string text;
  long tokens = 0;
};

Result<Said> complete(HttpClient& client, const EvalOptions& o, const std::string& prompt,
                      int max_new_tokens) {
  const Json body = {{"text", prompt},
                     {"sampling_params",
                      {{"temperature", o.temperature},
                       {"max_new_tokens", max_new_tokens},
                       {"stop", {"Question", "Assistant:", "<|separator|>"}}}}};
  const Json answer = TRY(post_json(client, o.url + "/generate", body));
  return Said{string_member(answer, "text"),
              member_count(answer, "meta_info", "completion_tokens")};
}

Result<Said> converse(HttpClient& client, const EvalOptions& o, const std::string& question) {
  const Json message = {{"role", "user"}, {"content", question}};
  const Json body = {{"messages", Json::array({message})},
                     {"temperature", o.temperature},
                     {"max_tokens", o.max_new_tokens},
                     {"chat_template_kwargs", {{"enable_thinking", o.thinking}}}};
  const Json answer = TRY(post_json(client, o.url + "/v1/chat/completions", body));
  if (!answer.contains("choices") || answer["choices"].empty()) {
    return Error{ErrorCode::kInternal, cat("no choices in the answer: ", to_json_text(answer))};
  }
  const Json& choice = answer["choices"][0];
  return Said{choice.contains("message") ? string_member(choice["message"], "content") : "",
              member_count(answer, "usage", "completion_tokens")};
}

}  // namespace

std::optional<std::string> last_number(std::string_view text) {
  std::string last, run;
  for (const char c : text) {
    if (c == ',') continue;
    if (is_digit(c)) {
      run += c;
    } else if (!run.empty()) {
      last = std::exchange(run, "");
    }
  }
  if (!run.empty()) last = run;
  const bool is_zero = std::all_of(last.begin(), last.end(), [](char c) { return c == '0'; });
  if (last.empty() || (last[0] == '0' && !is_zero)) return {};
  return is_zero ? "0" : last;
}

std::string few_shot_examples(const std::vector<Json>& lines, size_t count) {
  std::string text;
  for (size_t i = 0; i < std::min(count, lines.size()); ++i) {
    text += cat(question_of(lines[i]), " ", string_member(lines[i], "answer"), "\n\n");
  }
  return text;
}

Result<EvalReport> eval_gsm8k(const EvalOptions& o) {
  const auto limit = static_cast<size_t>(std::max(o.num_questions, o.num_shots));
  const std::vector<Json> lines = TRY(read_json_lines(o.data_path, {"question", "answer"}, limit));
  const std::string examples = few_shot_examples(lines, static_cast<size_t>(o.num_shots));
  const size_t count = std::min(lines.size(), static_cast<size_t>(o.num_questions));
  EvalReport report{.task = o.chat ? "gsm8k, chat" : "gsm8k, few-shot",
                    .answers = std::vector<Judged>(count)};
  std::vector<long> tokens(count);
  if (!o.chat && !examples.empty()) {  // so that the prefix cache has them
    HttpClient client;
    TRY(complete(client, o, examples, 0));
  }
  const auto ask = [&](HttpClient& client, size_t i) -> Result<void> {
    Said said = o.chat
                    ? TRY(converse(client, o, string_member(lines[i], "question")))
                    : TRY(complete(client, o, examples + question_of(lines[i]), o.max_new_tokens));
    tokens[i] = said.tokens;
    report.answers[i] = judge(lines[i], std::move(said.text));
    return {};
  };
  const auto begin = std::chrono::steady_clock::now();
  TRY(ask_in_parallel(count, o.parallel, ask));
  report.latency_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (const long n : tokens) report.completion_tokens += n;
  return report;
}

}  // namespace glint
