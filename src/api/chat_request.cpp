#include "api/chat_request.h"

#include "api/billing_header.h"
#include "api/prompts.h"

namespace glint {
namespace {

Result<void> parse_logprobs(const RequestFields& fields, ChatRequest& request) {
  request.logprobs = TRY(fields.boolean("logprobs")).value_or(false);
  const auto top = TRY(fields.integer("top_logprobs", 0, kMaxLogprobs));
  if (top.value_or(0) > 0 && !request.logprobs)
    return fields.error("top_logprobs", "top_logprobs is set but logprobs is not true.");
  if (request.logprobs) request.params.sampling.num_logprobs = static_cast<int>(top.value_or(0));
  if (const auto count = TRY(fields.integer("prompt_logprobs", 0, kMaxLogprobs)))
    request.prompt_logprobs = static_cast<int>(*count);
  return {};
}

Result<std::optional<std::vector<TokenId>>> parse_input_ids(const RequestFields& fields,
                                                            const ServerContext& context) {
  std::optional<std::vector<TokenId>> ids;
  const auto raw = TRY(find_prompts(fields, "input_ids", PromptKind::kIds, context));
  if (!raw) return ids;
  if (raw->is_batch) return fields.refuse("input_ids", "the token ids of one prompt");
  ids = raw->prompts.front()->get<std::vector<TokenId>>();
  return ids;
}

// SGLang's users send one with their thinking budget, which is obeyed without it.
Result<void> check_logit_processor(const RequestFields& fields) {
  const Json* params = TRY(fields.object("custom_params"));
  if (params != nullptr && params->contains("thinking_budget")) return {};
  return refuse_unavailable(fields, {"custom_logit_processor"}, kNoCode);
}

// OpenAI's names from before there were tools. Ignored, the model would not see the functions.
Result<void> refuse_functions(const RequestFields& fields) {
  for (const char* name : {"functions", "function_call"}) {
    if (fields.find(name) != nullptr)
      return fields.error(name, cat(name,
                                    " is OpenAI's old name, which this server does not take: "
                                    "send tools and tool_choice."));
  }
  return {};
}

Result<void> parse_delivery(const RequestFields& fields, ChatRequest& request) {
  request.stream = TRY(fields.boolean("stream")).value_or(false);
  if (request.stream && request.prompt_logprobs) return prompt_logprobs_in_stream(fields);
  const StreamOptions options = TRY(parse_stream_options(fields));
  request.include_usage = options.include_usage;
  request.continuous_usage = options.continuous_usage;
  request.separate_reasoning = TRY(fields.boolean("separate_reasoning")).value_or(true);
  request.include_reasoning = TRY(fields.boolean("include_reasoning")).value_or(true);
  request.stream_reasoning = TRY(fields.boolean("stream_reasoning")).value_or(true);
  request.parallel_tool_calls = TRY(fields.boolean("parallel_tool_calls")).value_or(true);
  return {};
}

}  // namespace

Result<ChatRequest> parse_chat_request(const Json& body, ServerContext& context) {
  const RequestFields fields(body);
  ChatRequest request;
  request.model = TRY(parse_name(fields, "model")).value_or(context.options.served_model_name);
  request.id = TRY(parse_name(fields, "rid")).value_or("chatcmpl-" + context.ids.next_hex(32));
  request.input_ids = TRY(parse_input_ids(fields, context));
  if (!request.input_ids || fields.find("messages") != nullptr)
    request.messages = TRY(parse_messages(fields));
  if (!context.options.keep_billing_header) drop_billing_header(request.messages);
  TRY(refuse_functions(fields));
  request.tools = TRY(parse_tools(fields));
  request.tool_choice = TRY(parse_tool_choice(fields));
  TRY(check_tool_choice(request.tool_choice, request.tools));
  request.template_options = TRY(parse_template_options(fields));
  request.thinking = TRY(parse_thinking_limits(fields));
  TRY(check_response_format(fields));
  TRY(refuse_sglang_only(fields));
  TRY(refuse_unavailable(fields, {"chat_template"}, kOwnTemplate));
  TRY(refuse_unavailable(fields, {"documents"}, kNoDocuments));
  TRY(check_logit_processor(fields));
  request.params = TRY(parse_generation_params(fields, Dialect::kOpenAi, context));
  TRY(parse_scheduling(fields, request.params));
  TRY(parse_logprobs(fields, request));
  TRY(parse_delivery(fields, request));
  request.extras = TRY(parse_extras(fields));
  return request;
}

Result<StreamOptions> parse_stream_options(const RequestFields& fields) {
  StreamOptions options;
  const Json* object = TRY(fields.object("stream_options"));
  if (object == nullptr) return options;
  const RequestFields nested(*object, "stream_options");
  options.include_usage = TRY(nested.boolean("include_usage")).value_or(false);
  options.continuous_usage = TRY(nested.boolean("continuous_usage_stats")).value_or(false);
  return options;
}

Result<void> check_response_format(const RequestFields& fields) {
  const Json* format = TRY(fields.object("response_format"));
  if (format == nullptr) return {};
  const RequestFields nested(*format, "response_format");
  const std::string type = TRY(nested.string("type")).value_or("");
  if (type == "text") return {};
  if (type == "json_object" || type == "json_schema" || type == "structural_tag") {
    return fields.error("response_format",
                        cat("response_format.type ", type,
                            " is not available yet; expected \"text\" or no response_format."));
  }
  return nested.refuse("type", "\"text\"");
}

}  // namespace glint
