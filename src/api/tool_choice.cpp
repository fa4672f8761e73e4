#include "api/tool_choice.h"

#include <algorithm>

namespace glint {
namespace {

constexpr const char* kExpected =
    "\"auto\", \"none\", \"required\", {\"type\": \"function\", \"function\": {\"name\": …}} or "
    "{\"type\": \"allowed_tools\", \"allowed_tools\": {\"mode\": …, \"tools\": […]}}";

// {"function": {"name": …}}
Result<std::string> parse_function(const Json& object, const std::string& path) {
  if (!object.is_object())
    return Error{ErrorCode::kInvalidRequest,
                 cat(path, " is ", shown(object), "; expected an object."), path};
  const RequestFields fields(object, path);
  const Json* function = TRY(fields.object("function"));
  if (function == nullptr) return fields.refuse("function", "an object with the tool's name");
  const RequestFields function_fields(*function, fields.path_of("function"));
  std::string name = TRY(function_fields.string("name")).value_or("");
  if (name.empty()) return function_fields.refuse("name", "the name of one of the tools");
  return name;
}

Result<ToolChoice> parse_allowed(const RequestFields& choice) {
  const Json* object = TRY(choice.object("allowed_tools"));
  if (object == nullptr) return choice.refuse("allowed_tools", "an object with mode and tools");
  const RequestFields fields(*object, choice.path_of("allowed_tools"));
  ToolChoice allowed;
  const std::string mode = TRY(fields.string("mode")).value_or("auto");
  if (mode == "required") allowed.mode = ToolChoice::kRequired;
  if (mode != "required" && mode != "auto") return fields.refuse("mode", "auto or required");
  const Json* tools = TRY(fields.array("tools"));
  if (tools == nullptr || tools->empty())
    return fields.refuse("tools", "an array of at least one of the tools");
  for (const Json& tool : *tools) {
    const std::string path = cat(fields.path_of("tools"), "[", allowed.allowed.size(), "]");
    allowed.allowed.push_back(TRY(parse_function(tool, path)));
  }
  return allowed;
}

Result<ToolChoice> parse_object(const RequestFields& fields, const Json& choice) {
  const RequestFields choice_fields(choice, "tool_choice");
  const std::string type = TRY(choice_fields.string("type")).value_or("function");
  if (type == "allowed_tools") return parse_allowed(choice_fields);
  if (type != "function") return fields.refuse("tool_choice", kExpected);
  return ToolChoice{.mode = ToolChoice::kNamed, .name = TRY(parse_function(choice, "tool_choice"))};
}

}  // namespace

Result<ToolChoice> parse_tool_choice(const RequestFields& fields) {
  const Json* choice = fields.find("tool_choice");
  if (choice == nullptr || *choice == "auto") return ToolChoice{};
  if (*choice == "none") return ToolChoice{.mode = ToolChoice::kNone};
  if (*choice == "required") return ToolChoice{.mode = ToolChoice::kRequired};
  if (choice->is_object()) return parse_object(fields, *choice);
  return fields.refuse("tool_choice", kExpected);
}

Result<void> check_tool_choice(const ToolChoice& choice, const std::vector<Tool>& tools) {
  const auto refuse = [](std::string message) {
    return Error{ErrorCode::kInvalidRequest, std::move(message), "tool_choice"};
  };
  if (choice.limits_names() && tools.empty())
    return refuse(
        "tool_choice asks for a tool call and there are no tools: send some in \"tools\".");
  std::vector<std::string> named = choice.allowed;
  if (choice.mode == ToolChoice::kNamed) named.push_back(choice.name);
  for (const std::string& name : named) {
    if (std::ranges::find(tools, name, tool_name) != tools.end()) continue;
    return refuse(cat("tool_choice names the function ", shown(Json(name)),
                      ", which is none of the ", tools.size(), " tools."));
  }
  return {};
}

bool ToolChoice::allows(const std::string& tool) const {
  if (mode == kNamed) return tool == name;
  return allowed.empty() || std::ranges::find(allowed, tool) != allowed.end();
}

std::string tool_name(const Tool& tool) { return tool.at("function").at("name"); }

}  // namespace glint
