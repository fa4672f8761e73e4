#include "api/text/parse_output.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/chat_request.h"
#include "api/errors.h"
#include "api/request_fields.h"
#include "api/responses.h"
#include "chat/output_parser.h"

namespace glint {
namespace {

// GLM's formats have gone by several names; the parsers here read all of them.
Result<void> check_parser(const RequestFields& fields, std::string_view name) {
  constexpr std::string_view kKnown[] = {"glm", "glm45", "glm47"};
  const std::string parser = TRY(fields.string(name)).value_or("glm47");
  if (std::ranges::find(kKnown, parser) != std::end(kKnown)) return {};
  return fields.refuse(name, "glm45 or glm47, the formats of this model");
}

Result<std::string> parse_text(const RequestFields& fields) {
  std::optional<std::string> text = TRY(fields.string("text"));
  if (!text) return fields.refuse("text", "a string");
  return *std::move(text);
}

Result<Json> parse_function_call(const HttpRequest& http) {
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  const RequestFields fields(body);
  const std::string text = TRY(parse_text(fields));
  TRY(check_parser(fields, "tool_call_parser"));
  const ParsedOutput output = parse_output(text, {.parse_reasoning = false,
                                                  .parse_tool_calls = true,
                                                  .starts_in_reasoning = false,
                                                  .tools = TRY(parse_tools(fields))});
  Json calls = Json::array();
  for (const ParsedOutput::Call& call : output.tool_calls)
    calls.push_back(
        {{"tool_index", calls.size()}, {"name", call.name}, {"parameters", call.arguments}});
  return Json{{"normal_text", output.content}, {"calls", std::move(calls)}};
}

// An answer to a prompt that ends in <think> has the closing tag alone.
bool starts_in_reasoning(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \n\r\t");
  return text.find("</think>") != text.npos ||
         (begin != text.npos && text.substr(begin).starts_with("<think>"));
}

Result<Json> separate_reasoning(const HttpRequest& http) {
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  const RequestFields fields(body);
  const std::string text = TRY(parse_text(fields));
  TRY(check_parser(fields, "reasoning_parser"));
  const ParsedOutput output =
      parse_output(text, {.parse_reasoning = true,
                          .parse_tool_calls = false,
                          .starts_in_reasoning = starts_in_reasoning(text)});
  return Json{{"reasoning_text", output.reasoning}, {"text", output.content}};
}

void answer(const std::shared_ptr<Exchange>& exchange, Result<Json> result) {
  exchange->respond(result ? json_response(*result) : error_response(result.error()));
}

}  // namespace

void handle_parse_function_call(ServerContext&, std::shared_ptr<Exchange> exchange) {
  answer(exchange, parse_function_call(exchange->request()));
}

void handle_separate_reasoning(ServerContext&, std::shared_ptr<Exchange> exchange) {
  answer(exchange, separate_reasoning(exchange->request()));
}

}  // namespace glint
