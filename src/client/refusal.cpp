#include "client/refusal.h"

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace glint {
namespace {

// {"error": {"message"}}, {"error": "…"}, {"message"} and {"detail"}; empty if it is none of these.
std::string message_in(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object()) return "";
  for (const char* key : {"error", "message", "detail"})
    if (const auto found = json.find(key); found != json.end()) return message_in(*found);
  return "";
}

}  // namespace

std::string server_message(std::string_view body) {
  const Result<Json> json = parse_json(body);
  std::string message = json ? message_in(*json) : "";
  if (message.empty()) message = body;
  message.erase(message.find_last_not_of(" \t\r\n") + 1);
  return message;
}

std::string refusal(std::string_view url, int status, std::string_view body) {
  std::string text = cat(url, " answered ", status);
  if (const std::string message = server_message(body); !message.empty())
    text += cat(": ", message);
  if (!text.ends_with('.')) text += '.';
  if (status == 401 || status == 403) text += " The key is taken from OPENAI_API_KEY.";
  return text;
}

}  // namespace glint
