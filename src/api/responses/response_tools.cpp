#include "api/responses/response_tools.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace glint {
namespace {

// `strict` asks for a grammar; the model is not told of it.
Result<Tool> parse_function(const RequestFields& fields) {
  Json function = {{"name", TRY(fields.string("name")).value_or("")}};
  if (function["name"] == "") return fields.refuse("name", "a function's name");
  if (const auto description = TRY(fields.string("description")))
    function["description"] = *description;
  if (const Json* parameters = TRY(fields.object("parameters")))
    function["parameters"] = *parameters;
  TRY(fields.boolean("strict"));
  return Tool{{"type", "function"}, {"function", std::move(function)}};
}

// "auto" or "none".
Result<std::string> parse_tool_choice(const RequestFields& fields) {
  const Json* choice = fields.find("tool_choice");
  if (choice == nullptr) return std::string("auto");
  if (*choice == "auto" || *choice == "none") return choice->get<std::string>();
  if (*choice == "required" || choice->is_object()) {
    return fields.error(
        "tool_choice", "A forced tool_choice is not available yet; expected \"auto\" or \"none\".");
  }
  return fields.refuse("tool_choice", "\"auto\" or \"none\"");
}

}  // namespace

Result<std::vector<Tool>> parse_response_tools(const RequestFields& fields) {
  const std::string choice = TRY(parse_tool_choice(fields));
  std::vector<Tool> tools;
  const Json* list = TRY(fields.array("tools"));
  if (list == nullptr) return tools;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string path = cat("tools[", i, "]");
    const Json& tool = (*list)[i];
    if (!tool.is_object()) {
      return Error{ErrorCode::kInvalidRequest,
                   cat(path, " is ", shown(tool), "; expected an object."), path};
    }
    const RequestFields tool_fields(tool, path);
    const auto type = TRY(tool_fields.string("type"));
    if (!type) return tool_fields.refuse("type", "\"function\"");
    if (*type == "function") tools.push_back(TRY(parse_function(tool_fields)));
  }
  if (choice == "none") tools.clear();
  return tools;
}

}  // namespace glint
