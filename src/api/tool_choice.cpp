#include "api/tool_choice.h"

#include <algorithm>

namespace glint {
namespace {

constexpr const char* kExpected =
    "\"auto\", \"none\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": …}}";

Result<ToolChoice> parse_named(const RequestFields& fields, const Json& choice) {
  const RequestFields named(choice, "tool_choice");
  if (TRY(named.string("type")).value_or("function") != "function")
    return fields.refuse("tool_choice", kExpected);
  const Json* function = TRY(named.object("function"));
  if (function == nullptr) return named.refuse("function", "an object with the tool's name");
  const RequestFields function_fields(*function, "tool_choice.function");
  const std::string name = TRY(function_fields.string("name")).value_or("");
  if (name.empty()) return function_fields.refuse("name", "the name of one of the tools");
  return ToolChoice{.mode = ToolChoice::kNamed, .name = name};
}

}  // namespace

Result<ToolChoice> parse_tool_choice(const RequestFields& fields) {
  const Json* choice = fields.find("tool_choice");
  if (choice == nullptr || *choice == "auto") return ToolChoice{};
  if (*choice == "none") return ToolChoice{.mode = ToolChoice::kNone};
  if (*choice == "required") return ToolChoice{.mode = ToolChoice::kRequired};
  if (choice->is_object()) return parse_named(fields, *choice);
  return fields.refuse("tool_choice", kExpected);
}

Result<void> check_tool_choice(const ToolChoice& choice, const std::vector<Tool>& tools) {
  if (!choice.forces_call()) return {};
  const auto refuse = [](std::string message) {
    return Error{ErrorCode::kInvalidRequest, std::move(message), "tool_choice"};
  };
  if (tools.empty())
    return refuse("tool_choice asks for a tool call and there are no tools; expected \"tools\".");
  if (choice.mode == ToolChoice::kRequired) return {};
  const bool is_known =
      std::ranges::any_of(tools, [&](const Tool& tool) { return tool_name(tool) == choice.name; });
  if (is_known) return {};
  return refuse(cat("tool_choice names the function ", shown(Json(choice.name)),
                    ", which is none of the ", tools.size(), " tools."));
}

std::string tool_name(const Tool& tool) { return tool.at("function").at("name"); }

}  // namespace glint
