// The messages and tools of a chat request: the dialect that clients speak, to the one that the
// template knows.

#include <algorithm>
#include <cctype>
#include <utility>

#include "api/chat_request.h"
#include "base/planted_bug.h"

namespace glint {
namespace {

Result<std::string> parse_role(const RequestFields& fields) {
  std::string role = TRY(fields.string("role")).value_or("");
  std::transform(role.begin(), role.end(), role.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  // The template drops roles that it does not know, and the message with them.
  if (role == "developer") return std::string("system");
  if (role == "function") return std::string("tool");
  if (role == "system" || role == "user" || role == "assistant" || role == "tool") return role;
  return fields.refuse("role", "system, developer, user, assistant, tool or function");
}

// Where the text of such a part is; null: it has none.
const char* member_of_part(std::string_view type) {
  if (type == "text" || type == "input_text" || type == "output_text") return "text";
  return type == "refusal" ? "refusal" : type == "thinking" ? "thinking" : nullptr;
}

Result<std::string> part_text(const Json& part, const std::string& path) {
  if (part.is_string()) return part.get<std::string>();
  if (!part.is_object()) {
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, " is ", shown(part), "; expected an object with type text."), path};
  }
  const RequestFields fields(part, path);
  const auto type = TRY(fields.string("type"));
  if (!type) return fields.refuse("type", "text");
  const char* member = member_of_part(*type);
  if (member == nullptr) {
    return fields.error(
        "type", cat(path, ".type is ", shown(Json(*type)), "; this model takes text input only."));
  }
  const auto text = TRY(fields.string(member));
  if (!text) return fields.refuse(member, "a string");
  return *text;
}

bool is_thinking(const Json& part) {
  return part.is_object() && part.contains("type") && part["type"] == "thinking";
}

Json text_part(std::string text) { return Json{{"type", "text"}, {"text", std::move(text)}}; }

// Parts of an assistant's message that are its reasoning go to `thinking`.
Result<Json> parse_content(const RequestFields& fields, std::string_view name, bool is_tool,
                           std::string* thinking = nullptr) {
  const Json* content = fields.find(name);
  if (content == nullptr) {
    return planted(PlantedBug::kNullContentKept) ? Json(nullptr) : Json("");
  }
  if (content->is_string()) return *content;
  if (!content->is_array()) return fields.refuse(name, "a string or an array of parts");
  Json parts = Json::array();
  std::string joined;
  size_t index = 0;
  for (const Json& part : *content) {
    std::string text = TRY(part_text(part, cat(fields.path_of(name), "[", index++, "]")));
    if (thinking != nullptr && is_thinking(part)) {
      *thinking += text;
      continue;
    }
    if (!parts.empty()) joined += ' ';
    joined += text;
    parts.push_back(text_part(std::move(text)));
  }
  // A tool's parts mean something else to the template: documents by name.
  return is_tool ? Json(std::move(joined)) : parts;
}

Result<std::optional<std::string>> parse_reasoning_content(const RequestFields& fields) {
  for (const char* name : {"reasoning_content", "reasoning", "thinking"}) {
    auto text = TRY(fields.string(name));
    if (text) return text;
  }
  return std::optional<std::string>();
}

Result<Json> parse_arguments(const RequestFields& function) {
  const Json* arguments = function.find("arguments");
  if (arguments == nullptr) return Json::object();
  if (arguments->is_object()) return *arguments;
  if (!arguments->is_string()) return function.refuse("arguments", "a JSON object as a string");
  const auto& text = arguments->get_ref<const std::string&>();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  Result<Json> parsed = parse_json(text);
  if (!parsed || !parsed->is_object())
    return function.refuse("arguments", "a JSON object as a string");
  return parsed;
}

Result<ToolCall> parse_tool_call(const Json& call, const std::string& path) {
  if (!call.is_object()) {
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, " is ", shown(call), "; expected an object."), path};
  }
  const RequestFields fields(call, path);
  const Json* function = TRY(fields.object("function"));
  if (function == nullptr) return fields.refuse("function", "an object with name and arguments");
  const RequestFields function_fields(*function, fields.path_of("function"));
  ToolCall parsed;
  parsed.id = TRY(fields.string("id")).value_or("");
  parsed.name = TRY(function_fields.string("name")).value_or("");
  if (parsed.name.empty()) return function_fields.refuse("name", "a function's name");
  parsed.arguments = TRY(parse_arguments(function_fields));
  return parsed;
}

Result<Message> parse_message(const RequestFields& fields) {
  Message message;
  message.role = TRY(parse_role(fields));
  std::string thinking;
  const bool is_answer = message.role == "assistant";
  message.content = TRY(
      parse_content(fields, "content", message.role == "tool", is_answer ? &thinking : nullptr));
  if (!is_answer) return message;
  message.reasoning_content = TRY(parse_reasoning_content(fields));
  if (!message.reasoning_content && !thinking.empty())
    message.reasoning_content = std::move(thinking);
  const Json* calls = TRY(fields.array("tool_calls"));
  if (calls == nullptr) return message;
  for (const Json& call : *calls) {
    const std::string path = cat(fields.path_of("tool_calls"), "[", message.tool_calls.size(), "]");
    message.tool_calls.push_back(TRY(parse_tool_call(call, path)));
  }
  return message;
}

Result<void> check_tool(const Json& tool, const std::string& path) {
  if (!tool.is_object()) {
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, " is ", shown(tool), "; expected an object."), path};
  }
  const RequestFields fields(tool, path);
  if (TRY(fields.string("type")).value_or("function") != "function")
    return fields.refuse("type", "\"function\"");
  const Json* function = TRY(fields.object("function"));
  if (function == nullptr) return fields.refuse("function", "an object with a name");
  const RequestFields function_fields(*function, fields.path_of("function"));
  if (TRY(function_fields.string("name")).value_or("").empty())
    return function_fields.refuse("name", "a function's name");
  TRY(function_fields.string("description"));
  TRY(function_fields.object("parameters"));
  return {};
}

}  // namespace

Result<Message> parse_chat_message(const RequestFields& fields) { return parse_message(fields); }

Result<Message> parse_tool_result(const RequestFields& fields, std::string_view name) {
  Json content = TRY(parse_content(fields, name, true));
  return Message{.role = "tool", .content = std::move(content)};
}

Result<Json> parse_call_arguments(const RequestFields& function) {
  return parse_arguments(function);
}

Result<std::vector<Message>> parse_messages(const RequestFields& fields) {
  const Json* list = TRY(fields.array("messages"));
  if (list == nullptr || list->empty())
    return fields.refuse("messages", "an array of at least one message");
  std::vector<Message> messages;
  for (const Json& entry : *list) {
    const std::string path = cat("messages[", messages.size(), "]");
    if (!entry.is_object()) {
      return Error{ErrorCode::kInvalidRequest,
                   cat(path, " is ", shown(entry), "; expected an object."), path};
    }
    messages.push_back(TRY(parse_message(RequestFields(entry, path))));
  }
  return messages;
}

bool begins_answer(const std::vector<Message>& messages) {
  return !messages.empty() && messages.back().role == "assistant" &&
         messages.back().tool_calls.empty();
}

Result<std::vector<Tool>> parse_tools(const RequestFields& fields) {
  const ToolChoice choice = TRY(parse_tool_choice(fields));
  const Json* list = TRY(fields.array("tools"));
  std::vector<Tool> tools;
  if (list == nullptr) return tools;
  for (const Json& tool : *list) {
    TRY(check_tool(tool, cat("tools[", tools.size(), "]")));
    tools.push_back(tool);
  }
  // SGLang, too, does not show the tools to the model then.
  if (choice.mode == ToolChoice::kNone) tools.clear();
  return tools;
}

}  // namespace glint
