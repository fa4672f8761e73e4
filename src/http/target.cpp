#include "http/target.h"

namespace glint {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error bad_target(std::string message) {
  return {ErrorCode::kInvalidRequest, std::move(message), {}};
}

Result<std::pair<std::string, std::string>> parse_pair(std::string_view pair) {
  const size_t equals = pair.find('=');
  const std::string_view value = equals == pair.npos ? "" : pair.substr(equals + 1);
  std::string key = TRY(percent_decode(pair.substr(0, equals), true));
  return std::pair{std::move(key), TRY(percent_decode(value, true))};
}

// "http://host:port/path" is what a client sends to a proxy; a server must take it too.
std::string_view without_authority(std::string_view target) {
  const size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == target.npos) return target;
  const size_t path = target.find_first_of("/?", scheme + 3);
  return path == target.npos ? "/" : target.substr(path);
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += plus_is_blank && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return bad_target("The URL has a % that is not followed by two hex digits; write %25 for %.");
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

Result<Target> parse_target(std::string_view target) {
  target = without_authority(target);
  const size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (path != "*" && !path.starts_with('/') && !path.empty()) {
    return bad_target("The request's target must begin with /.");
  }
  Target parsed{.path = path.empty() ? "/" : TRY(percent_decode(path)), .query = {}};
  std::string_view rest = mark == target.npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    if (end != 0) parsed.query.push_back(TRY(parse_pair(rest.substr(0, end))));
    rest = end == rest.npos ? "" : rest.substr(end + 1);
  }
  return parsed;
}

}  // namespace glint
