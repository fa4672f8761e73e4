#include "client/refusal.h"

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/utf8.h"

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

// Without blanks at its ends, and with one where there are several.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool is_blank = std::string_view(" \t\r\n").find(c) != std::string_view::npos;
    if (is_blank && (line.empty() || line.back() == ' ')) continue;
    line += is_blank ? ' ' : c;
  }
  if (line.ends_with(' ')) line.pop_back();
  return line;
}

std::string beginning(std::string line) {
  constexpr size_t kMaxBytes = 200;
  if (line.size() <= kMaxBytes) return line;
  line.resize(kMaxBytes);
  line.resize(kMaxBytes - incomplete_utf8_suffix(line));
  return line + "…";
}

}  // namespace

std::string server_message(std::string_view body) {
  const Result<Json> json = parse_json(body);
  const std::string message = json ? message_in(*json) : "";
  return message.empty() ? beginning(one_line(body)) : one_line(message);
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
