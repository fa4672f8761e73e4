#include "api/ollama/shapes.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/errors.h"

namespace glint {

HttpResponse ollama_error_response(const Error& error) {
  return {.status = http_status(error.code), .body = ollama_error_text(error)};
}

std::string ollama_error_text(const Error& error) {
  return to_json_text(Json{{"error", error.message}});
}

std::string rfc3339(int64_t unix_ns) {
  constexpr int64_t kSecond_ns = 1'000'000'000;
  const std::time_t seconds = unix_ns / kSecond_ns;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32], fraction[16];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(fraction, sizeof fraction, ".%09dZ", static_cast<int>(unix_ns % kSecond_ns));
  return cat(date, fraction);
}

std::string rfc3339_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return rfc3339(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

Json ollama_line(OllamaEndpoint endpoint, const std::string& model, OllamaPiece piece) {
  Json line = {{"model", model}, {"created_at", rfc3339_now()}};
  const bool is_chat = endpoint == OllamaEndpoint::kChat;
  Json message = Json::object();
  if (is_chat) message["role"] = "assistant";
  message[is_chat ? "content" : "response"] = std::move(piece.content);
  if (!piece.thinking.empty()) message["thinking"] = std::move(piece.thinking);
  if (!piece.tool_calls.is_null()) message["tool_calls"] = std::move(piece.tool_calls);
  if (is_chat) {
    line["message"] = std::move(message);
  } else {
    line.update(message);
  }
  line["done"] = false;
  if (!piece.logprobs.is_null()) line["logprobs"] = std::move(piece.logprobs);
  return line;
}

}  // namespace glint
