// Messages as the template may see them, whatever JSON stands in their content:
//   {"messages": [{"role", "content", "reasoning_content", "tool_calls": [{"name", "arguments"}]}],
//    "tools": [...], "enable_thinking": true, "clear_thinking": true, "generation": true}

#include <nlohmann/json.hpp>

#include "chat/template.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/prompt_check.h"

namespace glint {
namespace {

const Json* find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto member = object.find(key);
  return member == object.end() ? nullptr : &*member;
}

std::string text_of(const Json* value) {
  return value && value->is_string() ? value->get<std::string>() : "";
}

std::optional<bool> flag(const Json* value) {
  return value && value->is_boolean() ? std::optional(value->get<bool>()) : std::nullopt;
}

Message to_message(const Json& entry) {
  Message message{.role = text_of(find(entry, "role"))};
  if (const Json* content = find(entry, "content")) message.content = *content;
  const Json* reasoning = find(entry, "reasoning_content");
  if (reasoning) message.reasoning_content = text_of(reasoning);
  const Json* calls = find(entry, "tool_calls");
  if (!calls || !calls->is_array()) return message;
  for (const Json& call : *calls) {
    const Json* arguments = find(call, "arguments");
    message.tool_calls.push_back(
        {"id", text_of(find(call, "name")), arguments ? *arguments : Json()});
  }
  return message;
}

}  // namespace

void check_input(std::string_view input) {
  const auto parsed = parse_json(input, {.max_bytes = 1 << 20, .max_depth = 50});
  if (!parsed) return;
  std::vector<Message> messages;
  if (const Json* list = find(*parsed, "messages"); list && list->is_array())
    for (const Json& entry : *list) messages.push_back(to_message(entry));
  std::vector<Tool> tools;
  if (const Json* list = find(*parsed, "tools"); list && list->is_array())
    tools.assign(list->begin(), list->end());
  const TemplateOptions options{
      .add_generation_prompt = flag(find(*parsed, "generation")).value_or(true),
      .enable_thinking = flag(find(*parsed, "enable_thinking")),
      .clear_thinking = flag(find(*parsed, "clear_thinking"))};

  auto prompt = render_chat(messages, tools, options);
  auto again = render_chat(messages, tools, options);
  CHECK(bool(prompt) == bool(again), "rendered once, refused once");
  if (!prompt) {
    CHECK(prompt.error().code == ErrorCode::kInvalidRequest, prompt.error().message);
    CHECK(prompt.error().message.starts_with("messages["), prompt.error().message);
    return;
  }
  CHECK(prompt->text == again->text, "two prompts from one conversation");
  check_prompt(*prompt);
}

}  // namespace glint
