#include "http/response_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "base/check.h"
#include "base/log.h"
#include "http/http.h"

namespace glint {
namespace {

// RFC 9110, section 5.6.2.
bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), is_token_char);
}

bool is_framing(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kOurs = {"Content-Length", "Transfer-Encoding",
                                                            "Connection", "Date"};
  return std::any_of(kOurs.begin(), kOurs.end(),
                     [&](std::string_view ours) { return equals_ignoring_case(ours, name); });
}

void append_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    out += (byte < 0x20 && c != '\t') || byte == 0x7f ? ' ' : c;
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  append_value(out, value);
  out += "\r\n";
}

// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" (RFC 9110, section 5.6.7), made once a second.
std::string_view date_line() {
  struct Made {
    std::time_t second = 0;
    std::array<char, 48> text{};
    size_t size = 0;
  };
  thread_local Made made;
  const std::time_t now = std::time(nullptr);
  if (now != made.second) {
    std::tm utc{};
    gmtime_r(&now, &utc);
    made.size = std::strftime(made.text.data(), made.text.size(),
                              "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
    made.second = now;
  }
  return {made.text.data(), made.size};
}

template <typename Integer>
void append_number(std::string& out, Integer value, int base = 10) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  out.append(digits.data(), end);
}

void append_framing(std::string& out, const ResponseHead& head) {
  if (head.framing == Framing::kLength) {
    out += "Content-Length: ";
    append_number(out, head.content_length);
    out += "\r\n";
  }
  if (head.framing == Framing::kChunked) out += "Transfer-Encoding: chunked\r\n";
  if (!head.keep_alive) out += "Connection: close\r\n";
  if (head.keep_alive && head.http_1_0) out += "Connection: keep-alive\r\n";
}

}  // namespace

void append_response_head(std::string& out, const ResponseHead& head,
                          const std::vector<std::pair<std::string, std::string>>& headers) {
  out += "HTTP/1.1 ";
  append_number(out, head.status);
  out += ' ';
  out += reason_phrase(head.status);
  out += "\r\n";
  out += date_line();
  if (!head.content_type.empty()) append_field(out, "Content-Type", head.content_type);
  for (const auto& [name, value] : headers) {
    if (is_framing(name)) continue;
    if (is_token(name)) {
      append_field(out, name, value);
    } else {
      log_error("response header left out: its name is no token", {{"name", name}});
    }
  }
  append_framing(out, head);
  out += "\r\n";
}

void append_chunk(std::string& out, std::string_view bytes) {
  CHECK(!bytes.empty(), "an empty chunk would end the body");
  append_number(out, bytes.size(), 16);
  out += "\r\n";
  out += bytes;
  out += "\r\n";
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
  }
  return "Unknown";
}

}  // namespace glint
