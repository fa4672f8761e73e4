#include "api/responses/response_tools.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

namespace glint {
namespace {

// `strict` asks for a grammar; the model is not told of it.
Result<Tool> parse_function(const RequestFields& fields) {
  Json function = Json::object();
  function["name"] = TRY(fields.string("name")).value_or("");
  if (function["name"] == "") return fields.refuse("name", "a function's name");
  if (const auto description = TRY(fields.string("description")))
    function["description"] = *description;
  if (const Json* parameters = TRY(fields.object("parameters")))
    function["parameters"] = *parameters;
  TRY(fields.boolean("strict"));
  return Tool{{"type", "function"}, {"function", std::move(function)}};
}

Result<std::vector<Tool>> parse_functions(const RequestFields& fields, std::string_view name) {
  std::vector<Tool> tools;
  const Json* list = TRY(fields.array(name));
  if (list == nullptr) return tools;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string path = cat(fields.path_of(name), "[", i, "]");
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
  return tools;
}

// {"type": "allowed_tools", "mode": …, "tools": [{"type": "function", "name": …}]}: the model does
// not see the others.
Result<ToolChoice> keep_allowed(const RequestFields& allowed, std::vector<Tool>& tools) {
  const std::string mode = TRY(allowed.string("mode")).value_or("auto");
  if (mode != "auto" && mode != "required") return allowed.refuse("mode", "auto or required");
  std::set<std::string> names;
  for (const Tool& tool : TRY(parse_functions(allowed, "tools"))) names.insert(tool_name(tool));
  std::erase_if(tools, [&](const Tool& tool) { return !names.contains(tool_name(tool)); });
  return ToolChoice{.mode = mode == "auto" ? ToolChoice::kAuto : ToolChoice::kRequired};
}

Result<ToolChoice> parse_choice(const RequestFields& fields, std::vector<Tool>& tools) {
  const Json* value = fields.find("tool_choice");
  if (value == nullptr || !value->is_object()) return parse_tool_choice(fields);
  const RequestFields choice(*value, "tool_choice");
  const std::string type = TRY(choice.string("type")).value_or("");
  if (type == "allowed_tools") return keep_allowed(choice, tools);
  if (type != "function") return choice.refuse("type", "function or allowed_tools");
  std::string name = TRY(choice.string("name")).value_or("");
  if (name.empty()) return choice.refuse("name", "the name of one of the tools");
  return ToolChoice{.mode = ToolChoice::kNamed, .name = std::move(name)};
}

}  // namespace

Result<ResponseTools> parse_response_tools(const RequestFields& fields) {
  ResponseTools parsed{.tools = TRY(parse_functions(fields, "tools")), .choice = {}};
  parsed.choice = TRY(parse_choice(fields, parsed.tools));
  TRY(check_tool_choice(parsed.choice, parsed.tools));
  if (parsed.choice.mode == ToolChoice::kNone) parsed.tools.clear();
  return parsed;
}

}  // namespace glint
