// Conversations in, prompts out, one JSON value a line: what the comparison with jinja2 drives.
//
//   {"messages": …, "tools": …, "options": …}  →  {"text": …, "control": [[begin, end], …]}
//                                             or  {"error": …}
//   {"json": "text"}                           →  {"python": to_python_json() of it}

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/chat/raw_messages.h"

namespace {

using glint::Json;

Json render(const Json& conversation) {
  const auto prompt = glint::render_case(conversation);
  if (!prompt) return {{"error", prompt.error().message}};
  Json control = Json::array();
  for (const glint::ByteRange& range : prompt->control) control.push_back({range.begin, range.end});
  return {{"text", prompt->text}, {"control", control}};
}

Json write_as_python(const Json& text) {
  const auto value = glint::parse_json(text.get<std::string>());
  if (!value) return {{"error", value.error().message}};
  return {{"python", glint::to_python_json(*value)}};
}

Json answer(const std::string& line) {
  const auto request = glint::parse_json(line);
  if (!request) return {{"error", request.error().message}};
  return request->contains("json") ? write_as_python(request->at("json")) : render(*request);
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) std::cout << glint::to_json_text(answer(line)) << '\n';
}
