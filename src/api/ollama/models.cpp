#include "api/ollama/models.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/ollama/shapes.h"
#include "api/request_fields.h"
#include "chat/sha256.h"
#include "model/checkpoint_tensors.h"
#include "model/memory_plan.h"

namespace glint {
namespace {

// The version of Ollama whose API this is: clients refuse older ones than they were made for.
constexpr const char* kOllamaVersion = "0.12.11";
constexpr const char* kFamily = "glm4_moe_lite";
// Ollama's models are unloaded when idle; this one stays, which is a date far ahead to its clients.
constexpr const char* kNever = "9999-12-31T23:59:59Z";

void respond(Exchange& exchange, const Json& body) {
  exchange.respond({.status = 200, .body = to_json_text(body)});
}

int64_t num_parameters(const ModelConfig& config) {
  return num_elements(model_tensors(config, ExpertLayout::kStacked, /*with_mtp=*/false));
}

bool is_float32(const ServerContext& context) { return context.options.dtype == "float32"; }

int64_t model_bytes(const ServerContext& context) {
  return weights_bytes(context.config, is_float32(context) ? 4 : 2, /*with_mtp=*/false);
}

// 29.9B, 11.6M
std::string short_count(int64_t count) {
  const bool billions = count >= 1'000'000'000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f%c", static_cast<double>(count) / (billions ? 1e9 : 1e6),
                billions ? 'B' : 'M');
  return text;
}

Json details(const ServerContext& context) {
  return Json{{"parent_model", ""},
              {"format", "safetensors"},
              {"family", kFamily},
              {"families", Json::array({kFamily})},
              {"parameter_size", short_count(num_parameters(context.config))},
              {"quantization_level", is_float32(context) ? "F32" : "BF16"}};
}

// The digest tells models apart for clients that keep lists: it is the name's, because reading all
// weights for it would take minutes.
Json model_entry(const ServerContext& context) {
  const std::string& name = context.options.served_model_name;
  return Json{{"name", name},
              {"model", name},
              {"size", model_bytes(context)},
              {"digest", sha256_hex(name)},
              {"details", details(context)}};
}

std::string start_time(const ServerContext& context) {
  return rfc3339(context.started_unix_s * 1'000'000'000);
}

Json capabilities(const ServerContext& context) {
  Json list = Json::array({"completion"});
  if (context.options.parse_tool_calls) list.push_back("tools");
  if (context.options.parse_reasoning) list.push_back("thinking");
  return list;
}

Json model_info(const ServerContext& context) {
  const ModelConfig& config = context.config;
  const std::string prefix = cat(kFamily, ".");
  Json info = {{"general.architecture", kFamily},
               {"general.parameter_count", num_parameters(config)}};
  info[prefix + "context_length"] = context.limits.context_length;
  info[prefix + "embedding_length"] = config.hidden_size;
  info[prefix + "block_count"] = config.num_hidden_layers;
  info[prefix + "attention.head_count"] = config.num_attention_heads;
  info[prefix + "expert_count"] = config.n_routed_experts;
  info[prefix + "expert_used_count"] = config.num_experts_per_tok;
  info[prefix + "vocab_size"] = config.vocab_size;
  return info;
}

Result<void> check_show(const HttpRequest& http) {
  const Json body = TRY(parse_request_body(/*content_type=*/"", http.body));
  const RequestFields fields(body);
  const bool has_model = TRY(fields.string("model")) || TRY(fields.string("name"));
  if (has_model) return {};
  return fields.refuse("model", "a model's name");
}

}  // namespace

void handle_ollama_tags(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  Json entry = model_entry(context);
  entry["modified_at"] = start_time(context);
  respond(*exchange, {{"models", Json::array({std::move(entry)})}});
}

void handle_ollama_ps(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  Json entry = model_entry(context);
  entry["expires_at"] = kNever;
  entry["size_vram"] = model_bytes(context);
  entry["context_length"] = context.limits.context_length;
  respond(*exchange, {{"models", Json::array({std::move(entry)})}});
}

void handle_ollama_show(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> asked = check_show(exchange->request());
  if (!asked) return exchange->respond(ollama_error_response(asked.error()));
  respond(*exchange, {{"modelfile", cat("FROM ", context.options.served_model_name, "\n")},
                      {"parameters", ""},
                      {"template", ""},
                      {"details", details(context)},
                      {"model_info", model_info(context)},
                      {"capabilities", capabilities(context)},
                      {"modified_at", start_time(context)}});
}

void handle_ollama_version(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  respond(*exchange, {{"version", kOllamaVersion}, {"glint", context.options.version}});
}

}  // namespace glint
