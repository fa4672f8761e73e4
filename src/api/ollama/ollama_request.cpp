#include "api/ollama/ollama_request.h"

#include <utility>

namespace glint {
namespace {

bool is_below(const Json& options, const char* name, double limit) {
  const auto it = options.find(name);
  return it != options.end() && it->is_number() && it->get<double>() < limit;
}

// Ollama's numbers for "no such limit" are ours for "absent".
Json without_neutral(Json options) {
  if (is_below(options, "num_predict", 1)) options.erase("num_predict");
  if (is_below(options, "seed", 0)) options.erase("seed");
  if (is_below(options, "top_k", 1)) options["top_k"] = -1;
  return options;
}

Result<void> parse_options(const RequestFields& fields, ServerContext& context,
                           ChatRequest& request) {
  const Json* sent = TRY(fields.object("options"));
  const Json options = without_neutral(sent == nullptr ? Json::object() : *sent);
  GenerationParams& params = request.params;
  params =
      TRY(parse_generation_params(RequestFields(options, "options"), Dialect::kOllama, context));
  params.n = 1;
  request.max_tokens_if_room = std::exchange(params.max_tokens, std::nullopt);
  return {};
}

Result<void> parse_logprobs(const RequestFields& fields, ChatRequest& request) {
  request.logprobs = TRY(fields.boolean("logprobs")).value_or(false);
  const auto top = TRY(fields.integer("top_logprobs", 0, kMaxLogprobs));
  if (request.logprobs) request.params.sampling.num_logprobs = static_cast<int>(top.value_or(0));
  return {};
}

// true and false, or how much: the template knows only whether.
Result<std::optional<bool>> parse_think(const RequestFields& fields) {
  const Json* think = fields.find("think");
  if (think == nullptr) return std::optional<bool>();
  if (think->is_boolean()) return std::optional<bool>(think->get<bool>());
  if (!think->is_string()) return fields.refuse("think", "true, false, low, medium or high");
  return std::optional<bool>(true);
}

Result<void> refuse_images(const RequestFields& fields) {
  const Json* images = TRY(fields.array("images"));
  if (images == nullptr || images->empty()) return {};
  return fields.error("images", cat(fields.path_of("images"), " holds ", images->size(),
                                    "; this model takes text input only."));
}

// Ollama's clients send "" for none.
Result<void> check_format(const RequestFields& fields) {
  const Json* format = fields.find("format");
  if (format != nullptr && *format == "") return {};
  return refuse_grammars(fields, {"format"});
}

// Nothing in them: the client wants the model loaded, and it is.
Result<void> parse_chat(const RequestFields& fields, OllamaRequest& request) {
  const Json* list = TRY(fields.array("messages"));
  request.load_only = list == nullptr || list->empty();
  if (request.load_only) return {};
  request.chat.messages = TRY(parse_messages(fields));
  size_t index = 0;
  for (const Json& message : *list)
    TRY(refuse_images(RequestFields(message, cat("messages[", index++, "]"))));
  request.chat.tools = TRY(parse_tools(fields));
  return {};
}

Result<void> parse_generate(const RequestFields& fields, OllamaRequest& request) {
  TRY(refuse_images(fields));
  TRY(refuse_unavailable(fields, {"suffix", "context"}));
  TRY(refuse_unavailable(fields, {"template"}, kOwnTemplate));
  const std::string prompt = TRY(fields.string("prompt")).value_or("");
  const std::string system = TRY(fields.string("system")).value_or("");
  request.load_only = prompt.empty();
  if (TRY(fields.boolean("raw")).value_or(false)) request.raw = prompt;
  if (!system.empty()) request.chat.messages.push_back({.role = "system", .content = system});
  request.chat.messages.push_back({.role = "user", .content = prompt});
  return {};
}

}  // namespace

Result<OllamaRequest> parse_ollama_request(const Json& body, OllamaEndpoint endpoint,
                                           ServerContext& context) {
  const RequestFields fields(body);
  OllamaRequest request{.endpoint = endpoint};
  ChatRequest& chat = request.chat;
  chat.model = TRY(parse_name(fields, "model")).value_or(context.options.served_model_name);
  chat.id = TRY(parse_name(fields, "rid")).value_or("ollama-" + context.ids.next_hex(32));
  TRY(endpoint == OllamaEndpoint::kChat ? parse_chat(fields, request)
                                        : parse_generate(fields, request));
  chat.template_options = {.enable_thinking = TRY(parse_think(fields)),
                           .continue_final_message = begins_answer(chat.messages),
                           .clear_thinking = false};  // what comes back stays, as in Ollama
  TRY(check_format(fields));
  TRY(parse_options(fields, context, chat));
  TRY(parse_logprobs(fields, chat));
  chat.stream = TRY(fields.boolean("stream")).value_or(true);
  return request;
}

}  // namespace glint
