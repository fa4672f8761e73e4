#include "eval/tool_calls.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "eval/data_file.h"
#include "eval/eval.h"
#include "eval/requests.h"

namespace glint {
namespace {

// OpenAI's tools hold the function under "function"; a bare function is wrapped.
Json as_openai(const Json& tools) {
  Json wrapped = Json::array();
  for (const Json& tool : tools) {
    const bool is_bare = tool.is_object() && !tool.contains("function");
    wrapped.push_back(is_bare ? Json{{"type", "function"}, {"function", tool}} : tool);
  }
  return wrapped;
}

Json call_of(const Json& call) {
  if (!call.is_object() || !call.contains("function")) return call;
  const std::string text = string_member(call["function"], "arguments");
  const Result<Json> arguments = parse_json(text);
  return {{"name", string_member(call["function"], "name")},
          {"arguments", arguments ? *arguments : Json(text)}};
}

// Member order does not matter: nlohmann compares ordered objects as sequences.
nlohmann::json unordered(const Json& value) {
  return nlohmann::json::parse(to_json_text(value), nullptr, false);
}

Judged judge(const Json& line, const Json& completion) {
  const Json got = calls_of(completion);
  return {.group = string_member(line, "group"),
          .wanted = to_json_text(line["calls"]),
          .got = to_json_text(got),
          .is_correct = unordered(got) == unordered(line["calls"])};
}

}  // namespace

Json calls_of(const Json& completion) {
  Json calls = Json::array();
  if (!completion.contains("choices") || completion["choices"].empty()) return calls;
  const Json& choice = completion["choices"][0];
  if (!choice.contains("message") || !choice["message"].contains("tool_calls")) return calls;
  const Json& made = choice["message"]["tool_calls"];
  if (made.is_array()) {
    for (const Json& call : made) calls.push_back(call_of(call));
  }
  return calls;
}

Result<EvalReport> eval_tools(const EvalOptions& o) {
  const auto limit = static_cast<size_t>(o.num_questions);
  const std::vector<Json> lines =
      TRY(read_json_lines(o.data_path, {"messages", "tools", "calls"}, limit));
  EvalReport report{.task = "tools", .answers = std::vector<Judged>(lines.size())};
  std::vector<long> tokens(lines.size());
  const auto ask = [&](HttpClient& client, size_t i) -> Result<void> {
    const Json body = {{"messages", lines[i]["messages"]},
                       {"tools", as_openai(lines[i]["tools"])},
                       {"temperature", o.temperature},
                       {"max_tokens", o.max_new_tokens},
                       {"chat_template_kwargs", {{"enable_thinking", o.thinking}}}};
    const Json completion = TRY(post_json(client, o.url + "/v1/chat/completions", body));
    report.answers[i] = judge(lines[i], completion);
    if (completion.contains("usage"))
      tokens[i] = completion["usage"].value("completion_tokens", 0L);
    return {};
  };
  const auto begin = std::chrono::steady_clock::now();
  TRY(ask_in_parallel(lines.size(), o.parallel, ask));
  report.latency_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (const long n : tokens) report.completion_tokens += n;
  return report;
}

}  // namespace glint
