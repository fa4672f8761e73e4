#include "tests/chat/raw_messages.h"

#include <nlohmann/json.hpp>

namespace glint {
namespace {

const Json* find(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member == object.end() ? nullptr : &*member;
}

std::string text_or_empty(const Json* value) {
  return value && value->is_string() ? value->get<std::string>() : "";
}

// {"function": {"name": …, "arguments": …}} or the inner object alone.
ToolCall raw_tool_call(const Json& json) {
  const Json* function = find(json, "function");
  const Json& call = function && !function->empty() ? *function : json;
  const Json* arguments = find(call, "arguments");
  return {.id = "",
          .name = text_or_empty(find(call, "name")),
          .arguments = arguments ? *arguments : Json()};
}

Message raw_message(const Json& json) {
  Message message;
  message.role = text_or_empty(find(json, "role"));
  if (const Json* content = find(json, "content")) message.content = *content;
  const Json* reasoning = find(json, "reasoning_content");
  if (reasoning && reasoning->is_string()) message.reasoning_content = *reasoning;
  const Json* calls = find(json, "tool_calls");
  if (calls && calls->is_array()) {
    for (const Json& call : *calls) message.tool_calls.push_back(raw_tool_call(call));
  }
  return message;
}

// As Jinja tests one: null is false, absent is neither.
std::optional<bool> flag(const Json& options, const char* key) {
  const Json* value = find(options, key);
  if (!value) return std::nullopt;
  return value->is_boolean() && value->get<bool>();
}

}  // namespace

Result<RenderedPrompt> render_case(const Json& conversation) {
  std::vector<Message> messages;
  for (const Json& message : conversation.at("messages")) messages.push_back(raw_message(message));
  std::vector<Tool> tools;
  if (const Json* given = find(conversation, "tools"); given && given->is_array()) {
    tools.assign(given->begin(), given->end());
  }
  const Json* given = find(conversation, "options");
  const Json options = given ? *given : Json::object();
  return render_chat(messages, tools,
                     {.add_generation_prompt = flag(options, "add_generation_prompt") == true,
                      .enable_thinking = flag(options, "enable_thinking"),
                      .clear_thinking = flag(options, "clear_thinking")});
}

}  // namespace glint
