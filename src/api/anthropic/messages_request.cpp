#include "api/anthropic/messages_request.h"

#include <limits>
#include <utility>

#include "api/anthropic/content_blocks.h"
#include "api/billing_header.h"

namespace glint {
namespace {

// As the template was trained with: OpenAI's form, the schema's keys as sent.
Result<Json> parse_tool(const RequestFields& tool) {
  const auto name = TRY(tool.string("name"));
  if (!name || name->empty()) return tool.refuse("name", "a tool's name");
  Json function = {{"name", *name}};
  if (const auto description = TRY(tool.string("description")))
    function["description"] = *description;
  const Json* schema = TRY(tool.object("input_schema"));
  if (schema == nullptr) return tool.refuse("input_schema", "a JSON schema of type object");
  function["parameters"] = *schema;
  return Json{{"type", "function"}, {"function", std::move(function)}};
}

// Tools of another type than custom run on Anthropic's servers, or are known to its models alone.
Result<Json> parse_tool_list(const RequestFields& fields) {
  Json tools = Json::array();
  const Json* list = TRY(fields.array("tools"));
  if (list == nullptr) return tools;
  size_t index = 0;
  for (const Json& entry : *list) {
    const std::string path = cat("tools[", index++, "]");
    if (!entry.is_object()) {
      return Error{ErrorCode::kInvalidRequest,
                   cat(path, " is ", shown(entry), "; expected an object."), path};
    }
    const RequestFields tool(entry, path);
    if (TRY(tool.string("type")).value_or("custom") == "custom")
      tools.push_back(TRY(parse_tool(tool)));
  }
  return tools;
}

// OpenAI's spelling of a tool_choice.
Result<Json> openai_choice(const RequestFields& choice) {
  const std::string type = TRY(choice.string("type")).value_or("");
  if (type == "auto" || type == "none") return Json(type);
  if (type == "any") return Json("required");
  if (type != "tool") return choice.refuse("type", "auto, any, tool or none");
  const auto name = TRY(choice.string("name"));
  if (!name || name->empty()) return choice.refuse("name", "the name of one of tools");
  return Json{{"type", "function"}, {"function", {{"name", *name}}}};
}

Result<void> parse_tool_use(const RequestFields& fields, ChatRequest& request) {
  Json openai = Json::object();
  openai["tools"] = TRY(parse_tool_list(fields));
  if (const Json* choice = TRY(fields.object("tool_choice"))) {
    const RequestFields nested(*choice, "tool_choice");
    openai["tool_choice"] = TRY(openai_choice(nested));
    const auto no_parallel = TRY(nested.boolean("disable_parallel_tool_use"));
    request.parallel_tool_calls = !no_parallel.value_or(false);
  }
  const RequestFields translated(openai);
  request.tools = TRY(parse_tools(translated));
  request.tool_choice = TRY(parse_tool_choice(translated));
  return check_tool_choice(request.tool_choice, request.tools);
}

// Absent: the model thinks, as the template has it and as with SGLang.
Result<void> parse_thinking(const RequestFields& fields, ChatRequest& request) {
  const Json* thinking = TRY(fields.object("thinking"));
  if (thinking == nullptr) return {};
  const RequestFields nested(*thinking, "thinking");
  const std::string type = TRY(nested.string("type")).value_or("");
  if (type != "enabled" && type != "disabled" && type != "adaptive" && type != "between_tools")
    return nested.refuse("type", "enabled, disabled, adaptive or between_tools");
  request.template_options.enable_thinking = type != "disabled";
  const auto budget = TRY(nested.integer("budget_tokens", 1, std::numeric_limits<int>::max()));
  if (type == "enabled" && budget) request.thinking.budget = static_cast<int>(*budget);
  return {};
}

// Thinking that a client sends back stays in the prompt, so that every turn of a conversation finds
// the last one's in the prefix cache; unless the client asks for less.
Result<bool> clears_thinking(const RequestFields& fields) {
  const Json* management = TRY(fields.object("context_management"));
  if (management == nullptr) return false;
  const RequestFields nested(*management, "context_management");
  const Json* edits = TRY(nested.array("edits"));
  if (edits == nullptr) return false;
  for (const Json& edit : *edits) {
    if (!edit.is_object()) return nested.refuse("edits", "an array of objects");
    const std::string type =
        TRY(RequestFields(edit, "context_management.edits").string("type")).value_or("");
    if (type.starts_with("clear_thinking") && edit.value("keep", Json()) != "all") return true;
  }
  return false;
}

Result<void> check_output_format(const RequestFields& fields) {
  TRY(refuse_grammars(fields, {"output_format"}));
  const Json* config = TRY(fields.object("output_config"));
  if (config == nullptr) return {};
  return refuse_grammars(RequestFields(*config, "output_config"), {"format"});
}

// Clients send the most that they would take, whatever the prompt has left of the context.
Result<void> parse_limits(const RequestFields& fields, MessagesUse use, ServerContext& context,
                          ChatRequest& request) {
  GenerationParams& params = request.params;
  params = TRY(parse_generation_params(fields, Dialect::kAnthropic, context));
  TRY(parse_scheduling(fields, params));
  params.n = 1;
  if (!params.max_tokens && use == MessagesUse::kAnswer)
    return fields.refuse("max_tokens", "the most tokens that the answer may have");
  request.max_tokens_if_room = std::exchange(params.max_tokens, std::nullopt);
  return {};
}

}  // namespace

Result<ChatRequest> parse_messages_request(const Json& body, MessagesUse use,
                                           ServerContext& context) {
  const RequestFields fields(body);
  ChatRequest request;
  request.model = TRY(parse_name(fields, "model")).value_or(context.options.served_model_name);
  request.id = TRY(parse_name(fields, "rid")).value_or("msg_" + context.ids.next_hex(24));
  request.messages = TRY(parse_anthropic_messages(fields));
  if (!context.options.keep_billing_header) drop_billing_header(request.messages);
  TRY(parse_tool_use(fields, request));
  TRY(parse_thinking(fields, request));
  TemplateOptions& options = request.template_options;
  options.clear_thinking = TRY(clears_thinking(fields));
  TRY(parse_template_kwargs(fields, options));
  options.continue_final_message = begins_answer(request.messages);
  TRY(check_output_format(fields));
  TRY(parse_limits(fields, use, context, request));
  request.stream = TRY(fields.boolean("stream")).value_or(false);
  return request;
}

}  // namespace glint
