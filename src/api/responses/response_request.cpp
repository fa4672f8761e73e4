#include "api/responses/response_request.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/openai/shapes.h"
#include "api/responses/input_items.h"
#include "api/responses/response_tools.h"

namespace glint {
namespace {

Result<void> check_one_of(const RequestFields& fields, std::string_view name,
                          std::initializer_list<std::string_view> values) {
  const auto value = TRY(fields.string(name));
  if (!value || std::find(values.begin(), values.end(), *value) != values.end()) return {};
  std::string expected;
  for (const std::string_view one : values) expected += cat(expected.empty() ? "" : ", ", one);
  return fields.refuse(name, expected);
}

Result<void> check_text_format(const RequestFields& fields) {
  const Json* text = TRY(fields.object("text"));
  if (text == nullptr) return {};
  const RequestFields text_fields(*text, "text");
  TRY(text_fields.string("verbosity"));
  const Json* format = TRY(text_fields.object("format"));
  if (format == nullptr) return {};
  const RequestFields format_fields(*format, "text.format");
  const std::string type = TRY(format_fields.string("type")).value_or("");
  if (type == "text") return {};
  if (type == "json_object" || type == "json_schema") {
    return format_fields.error(
        "type", cat("text.format.type ", type, " is not available yet; expected \"text\"."));
  }
  return format_fields.refuse("type", "\"text\"");
}

Result<OutputItemOptions> parse_output_options(const RequestFields& fields) {
  OutputItemOptions options;
  TRY(fields.array("include"));
  for (const std::string& include : TRY(fields.strings("include"))) {
    if (include == "message.output_text.logprobs") options.logprobs = true;
    if (include == "reasoning.encrypted_content") options.encrypted_content = true;
  }
  const Json* reasoning = TRY(fields.object("reasoning"));
  if (reasoning == nullptr) return options;
  const RequestFields nested(*reasoning, "reasoning");
  TRY(nested.string("effort"));
  for (const char* name : {"summary", "generate_summary"}) {  // its name of old
    TRY(check_one_of(nested, name, {"auto", "concise", "detailed"}));
    if (nested.find(name) != nullptr) options.summarize = true;
  }
  return options;
}

// The items of the earlier response and what it answered.
Result<Json> earlier_items(const RequestFields& fields, const ServerContext& context) {
  const auto id = TRY(fields.string("previous_response_id"));
  if (!id || id->empty()) return Json::array();
  auto earlier = context.responses.find(*id);
  if (!earlier) {
    return Error{ErrorCode::kNotFound,
                 cat("Previous response with id ", shown(Json(*id)), " not found."),
                 "previous_response_id"};
  }
  if (!earlier->finished) {
    return fields.error("previous_response_id",
                        cat("The response ", *id, " is not finished: wait until it is."));
  }
  Json items = std::move(earlier->input);
  for (Json& item : earlier->body["output"]) items.push_back(std::move(item));
  return items;
}

Result<std::vector<Message>> parse_conversation(const RequestFields& fields, Json& items,
                                                ServerContext& context) {
  items = TRY(earlier_items(fields, context));
  const size_t num_earlier = items.size();
  for (Json& item : TRY(parse_input(fields, context))) items.push_back(std::move(item));
  std::vector<Message> messages = TRY(messages_of_items(items, num_earlier));
  if (const auto instructions = TRY(fields.string("instructions")))
    messages.insert(messages.begin(), Message{.role = "system", .content = Json(*instructions)});
  return messages;
}

Result<void> parse_keeping(const RequestFields& fields, ResponseRequest& request) {
  request.store = TRY(fields.boolean("store")).value_or(true);
  request.background = TRY(fields.boolean("background")).value_or(false);
  request.chat.stream = TRY(fields.boolean("stream")).value_or(false);
  if (request.background && !request.store)
    return fields.error("background", "background needs store: leave store out or set it to true.");
  return {};
}

Result<void> parse_logprobs(const RequestFields& fields, ResponseRequest& request) {
  const auto top = TRY(fields.integer("top_logprobs", 0, kMaxLogprobs));
  if (request.output.logprobs)
    request.chat.params.sampling.num_logprobs = static_cast<int>(top.value_or(0));
  return {};
}

// Fields that say nothing to this server, but whose type is checked because they are echoed.
Result<void> check_echoed(const RequestFields& fields) {
  TRY(check_one_of(fields, "truncation", {"auto", "disabled"}));
  TRY(fields.object("metadata"));
  TRY(fields.integer("max_tool_calls", 0, std::numeric_limits<int>::max()));
  for (const char* name : {"user", "prompt_cache_key", "safety_identifier", "service_tier"})
    if (const auto value = TRY(fields.string(name))) TRY(check_name_size(fields, name, *value));
  return {};
}

Json or_default(const RequestFields& fields, std::string_view name, Json value) {
  const Json* found = fields.find(name);
  return found == nullptr ? std::move(value) : *found;
}

Json echo_of(const RequestFields& fields, const ResponseRequest& request) {
  const SamplingParams& sampling = request.chat.params.sampling;
  Json text = {{"format", {{"type", "text"}}}};
  text.update(or_default(fields, "text", Json::object()));
  if (text["format"].is_null()) text["format"] = {{"type", "text"}};
  Json reasoning = {{"effort", nullptr}, {"summary", nullptr}};
  reasoning.update(or_default(fields, "reasoning", Json::object()));
  Json echo = {{"instructions", or_default(fields, "instructions", nullptr)},
               {"max_output_tokens", or_default(fields, "max_output_tokens", nullptr)},
               {"max_tool_calls", or_default(fields, "max_tool_calls", nullptr)},
               {"metadata", or_default(fields, "metadata", Json::object())},
               {"parallel_tool_calls", request.chat.parallel_tool_calls},
               {"previous_response_id", or_default(fields, "previous_response_id", nullptr)},
               {"prompt_cache_key", or_default(fields, "prompt_cache_key", nullptr)},
               {"reasoning", std::move(reasoning)},
               {"safety_identifier", or_default(fields, "safety_identifier", nullptr)},
               {"service_tier", or_default(fields, "service_tier", "default")},
               {"store", request.store},
               {"temperature", short_double(sampling.temperature)},
               {"text", std::move(text)},
               {"tool_choice", or_default(fields, "tool_choice", "auto")},
               {"tools", or_default(fields, "tools", Json::array())},
               {"top_logprobs", or_default(fields, "top_logprobs", 0)},
               {"top_p", short_double(sampling.top_p)},
               {"truncation", or_default(fields, "truncation", "disabled")},
               {"user", or_default(fields, "user", nullptr)}};
  return echo;
}

}  // namespace

Result<ResponseRequest> parse_response_request(const Json& body, ServerContext& context) {
  const RequestFields fields(body);
  ResponseRequest request;
  ChatRequest& chat = request.chat;
  request.created_s = unix_time_s();
  chat.id = "resp_" + context.ids.next_hex(48);
  chat.model = TRY(parse_name(fields, "model")).value_or(context.options.served_model_name);
  chat.messages_field = "input";
  chat.template_options = TRY(parse_template_options(fields));
  chat.parallel_tool_calls = TRY(fields.boolean("parallel_tool_calls")).value_or(true);
  chat.thinking = TRY(parse_thinking_limits(fields));
  ResponseTools tools = TRY(parse_response_tools(fields));
  chat.tools = std::move(tools.tools);
  chat.tool_choice = std::move(tools.choice);
  chat.params = TRY(parse_generation_params(fields, Dialect::kResponses, context));
  chat.params.n = 1;
  TRY(parse_scheduling(fields, chat.params));
  TRY(parse_keeping(fields, request));
  TRY(refuse_unavailable(fields, {"conversation", "prompt"}));
  TRY(check_text_format(fields));
  TRY(check_echoed(fields));
  request.output = TRY(parse_output_options(fields));
  TRY(parse_logprobs(fields, request));
  chat.messages = TRY(parse_conversation(fields, request.items, context));
  request.echo = echo_of(fields, request);
  return request;
}

}  // namespace glint
