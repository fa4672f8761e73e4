#include "bench/serving/request_format.h"

#include <algorithm>
#include <array>

namespace glint {
namespace {

constexpr std::array kBackends = {
    ServingBackend{"sglang", ServingApi::kGenerate, "/generate", 30000, true},
    ServingBackend{"glint", ServingApi::kGenerate, "/generate", 30000, true, true},
    ServingBackend{"vllm", ServingApi::kCompletions, "/v1/completions", 8000, false},
    ServingBackend{"openai-chat", ServingApi::kChat, "/v1/chat/completions", 8000, false},
    // SGLang's names of the same.
    ServingBackend{"sglang-native", ServingApi::kGenerate, "/generate", 30000, true},
    ServingBackend{"sglang-oai", ServingApi::kCompletions, "/v1/completions", 30000, true},
    ServingBackend{"sglang-oai-chat", ServingApi::kChat, "/v1/chat/completions", 30000, true},
    ServingBackend{"vllm-chat", ServingApi::kChat, "/v1/chat/completions", 8000, false},
};

// With all that was said before.
std::string whole_text(const BenchRequest& request) {
  std::string text;
  for (size_t i = 0; i + 1 < request.said.size(); i += 2)
    text += cat(request.said[i], request.said[i + 1], "\n\n");
  return text + request.text;
}

Json native_body(const RequestFormat& f, const BenchRequest& request) {
  Json params = {{"temperature", f.temperature},
                 {"max_new_tokens", request.output_len},
                 {"ignore_eos", f.ignore_eos}};
  if (f.top_p) params["top_p"] = *f.top_p;
  Json body =
      request.ids.empty() ? Json{{"text", whole_text(request)}} : Json{{"input_ids", request.ids}};
  body["sampling_params"] = std::move(params);
  body["stream"] = f.stream;
  body["lora_path"] = f.lora_name.empty() ? Json(nullptr) : Json(f.lora_name);
  body["return_logprob"] = f.return_logprob;
  body["return_routed_experts"] = false;
  body["logprob_start_len"] = -1;
  if (f.backend->incremental) body["incremental"] = true;
  return body;
}

// Without usage in the stream the answer's length could only be guessed.
void add_openai_options(const RequestFormat& f, Json& body) {
  body["temperature"] = f.temperature;
  if (f.top_p) body["top_p"] = *f.top_p;
  body["stream"] = f.stream;
  if (f.stream) body["stream_options"] = {{"include_usage", true}};
  if (f.ignore_eos) body["ignore_eos"] = true;  // OpenAI's own servers refuse the field
}

Json completion_body(const RequestFormat& f, const BenchRequest& request) {
  Json body = {{"model", f.lora_name.empty() ? f.model : f.lora_name},
               {"prompt", request.ids.empty() ? Json(whole_text(request)) : Json(request.ids)},
               {"best_of", 1},
               {"max_tokens", request.output_len}};
  add_openai_options(f, body);
  return body;
}

Json chat_body(const RequestFormat& f, const BenchRequest& request) {
  Json messages = Json::array();
  for (const std::string& text : request.said)
    messages.push_back(
        {{"role", messages.size() % 2 == 0 ? "user" : "assistant"}, {"content", text}});
  messages.push_back({{"role", "user"}, {"content", request.text}});
  Json body = {{"model", f.lora_name.empty() ? f.model : f.lora_name},
               {"messages", std::move(messages)},
               {"max_completion_tokens", request.output_len}};
  add_openai_options(f, body);
  return body;
}

}  // namespace

const ServingBackend* find_serving_backend(std::string_view name) {
  const auto found = std::ranges::find(kBackends, name, &ServingBackend::name);
  return found == kBackends.end() ? nullptr : &*found;
}

std::vector<std::string> serving_backend_names() {
  std::vector<std::string> names;
  for (const ServingBackend& backend : kBackends) names.emplace_back(backend.name);
  return names;
}

std::string request_body(const RequestFormat& format, const BenchRequest& request) {
  const ServingApi api = format.backend->api;
  Json body = api == ServingApi::kGenerate      ? native_body(format, request)
              : api == ServingApi::kCompletions ? completion_body(format, request)
                                                : chat_body(format, request);
  if (format.extra.is_object()) body.update(format.extra);
  return to_json_text(body);
}

}  // namespace glint
