#include "eval/requests.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "client/api_key.h"
#include "client/refusal.h"
#include "eval/data_file.h"

namespace glint {
namespace {

const Json& member(const Json& object, const char* key) {
  static const Json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

long count_member(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number_integer() ? value.get<long>() : 0;
}

}  // namespace

Result<Json> post_json(HttpClient& client, const std::string& url, const Json& body) {
  const HttpResponse response = TRY(client.post(url, api_key_headers(), to_json_text(body)));
  if (response.status >= 400) {
    return Error{ErrorCode::kInternal, refusal(url, response.status, response.body)};
  }
  return parse_json(response.body);
}

Result<Reply> ask_generate(HttpClient& client, const std::string& url, const Json& body) {
  const double begin_s = now_s();
  Reply reply{.answer = {}, .body = TRY(post_json(client, url + "/generate", body))};
  const Json& meta = member(reply.body, "meta_info");
  reply.answer.latency_s = now_s() - begin_s;
  reply.answer.text = string_member(reply.body, "text");
  reply.answer.finish_reason = string_member(member(meta, "finish_reason"), "type");
  reply.answer.completion_tokens = count_member(meta, "completion_tokens");
  return reply;
}

Result<Reply> ask_chat(HttpClient& client, const EvalOptions& options, const Json& messages,
                       const Json& more) {
  Json body = {{"messages", messages},
               {"temperature", options.temperature},
               {"chat_template_kwargs", {{"enable_thinking", options.thinking}}}};
  if (options.max_new_tokens) body["max_tokens"] = *options.max_new_tokens;
  body.update(more);
  const double begin_s = now_s();
  Reply reply{.answer = {},
              .body = TRY(post_json(client, options.url + "/v1/chat/completions", body))};
  const Json& choices = member(reply.body, "choices");
  if (!choices.is_array() || choices.empty()) {
    return Error{ErrorCode::kInternal, cat("no choices in the answer: ", to_json_text(reply.body))};
  }
  const Json& message = member(choices[0], "message");
  reply.answer.latency_s = now_s() - begin_s;
  reply.answer.text = string_member(message, "content");
  reply.answer.reasoning = string_member(message, "reasoning_content");
  reply.answer.finish_reason = string_member(choices[0], "finish_reason");
  reply.answer.completion_tokens = count_member(member(reply.body, "usage"), "completion_tokens");
  return reply;
}

std::string model_of(const std::string& url) {
  HttpClient client;
  const Result<HttpResponse> response = client.get(url + "/get_model_info", api_key_headers());
  if (!response || response->status != 200) return "";
  const Result<Json> info = parse_json(response->body);
  return info ? string_member(*info, "model_path") : "";
}

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Result<void> ask_in_parallel(size_t count, const AskOptions& options,
                             const std::function<Result<void>(HttpClient&, size_t)>& ask) {
  const auto& [parallel, on_progress, stop] = options;
  std::atomic<size_t> next = 0;
  size_t num_done = 0;
  std::mutex mutex;
  std::optional<Error> first_error;
  const auto work = [&] {
    HttpClient client;
    for (size_t i = next++; i < count && (stop == nullptr || !*stop); i = next++) {
      Result<void> asked = ask(client, i);
      const std::lock_guard lock(mutex);
      if (asked) {
        ++num_done;
        if (on_progress && !first_error) on_progress(num_done, count);
        continue;
      }
      if (!first_error) first_error = asked.error();
      next = count;
    }
  };
  std::vector<std::thread> threads;
  const size_t workers = std::min(count, static_cast<size_t>(std::max(parallel, 1)));
  for (size_t i = 0; i < workers; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  if (first_error) return *first_error;
  return {};
}

Result<void> answer_all(size_t count, const EvalOptions& options,
                        const std::function<Result<Judged>(HttpClient&, size_t)>& ask,
                        EvalReport& report) {
  std::vector<std::optional<Judged>> answers(count);
  const auto answer = [&](HttpClient& client, size_t i) -> Result<void> {
    answers[i] = TRY(ask(client, i));
    answers[i]->index = i;
    if (options.on_answer) options.on_answer(*answers[i]);
    return {};
  };
  const double begin_s = now_s();
  TRY(ask_in_parallel(count, {options.parallel, options.on_progress, options.stop}, answer));
  report.latency_s += now_s() - begin_s;
  report.num_questions = count;
  for (std::optional<Judged>& one : answers)
    if (one) report.answers.push_back(std::move(*one));
  return {};
}

}  // namespace glint
