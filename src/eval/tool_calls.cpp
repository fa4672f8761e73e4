#include "eval/tool_calls.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

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

Judged judge(const Json& line, Reply reply) {
  const Json said = calls_of(reply.body);
  Judged judged = std::move(reply.answer);
  judged.group = string_member(line, "group");
  judged.question =
      line["messages"].empty() ? "" : string_member(line["messages"].back(), "content");
  judged.wanted = to_json_text(line["calls"]);
  judged.said = to_json_text(said);
  judged.is_correct = unordered(said) == unordered(line["calls"]);
  return judged;
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
  EvalReport report{.task = "tools", .model = model_of(o.url)};
  const auto ask = [&](HttpClient& client, size_t i) -> Result<Judged> {
    const Json tools = {{"tools", as_openai(lines[i]["tools"])}};
    return judge(lines[i], TRY(ask_chat(client, o, lines[i]["messages"], tools)));
  };
  TRY(answer_all(lines.size(), o, ask, report));
  return report;
}

}  // namespace glint
