#include "client/url.h"

#include <algorithm>

namespace glint {
namespace {

Error bad_url(std::string_view url, std::string_view problem) {
  return {ErrorCode::kInvalidRequest,
          cat("\"", url, "\" ", problem, ". Give it as http://host:port/path."),
          {}};
}

bool is_port(std::string_view port) {
  return !port.empty() && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Control characters and blanks would begin a line of their own in the request.
bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != 0x7f; });
}

// Splits "host", "host:port", "[::1]" and "[::1]:port".
bool split_authority(std::string_view authority, Url& url) {
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == authority.npos) return false;
  const size_t colon = authority.find(':', bracket);
  const std::string_view host = authority.substr(0, colon);
  url.host = bracket > 0 ? host.substr(1, host.size() - 2) : host;
  const std::string_view default_port = url.tls ? "443" : "80";
  url.port = colon == authority.npos ? default_port : authority.substr(colon + 1);
  return !url.host.empty() && is_port(url.port);
}

}  // namespace

std::string Url::origin() const { return cat(tls ? "https://" : "http://", authority); }

Result<Url> parse_url(std::string_view text) {
  Url url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://"))
    return bad_url(text, "does not begin with http:// or https://");
  if (!is_printable(text)) return bad_url(text, "has a blank or a control character in it");
  const size_t begin = text.find("//") + 2;
  const std::string_view rest = text.substr(begin, text.find('#') - begin);
  const size_t path = std::min(rest.find_first_of("/?"), rest.size());
  url.authority = rest.substr(0, path);
  url.target = cat(rest.substr(path).starts_with('/') ? "" : "/", rest.substr(path));
  if (!split_authority(url.authority, url)) return bad_url(text, "has no valid host and port");
  return url;
}

std::string without_end_slashes(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

std::string server_url(std::string_view given, int port) {
  const std::string host = without_end_slashes(given);
  const size_t scheme = host.find("://");
  const std::string_view name = std::string_view(host).substr(scheme == host.npos ? 0 : scheme + 3);
  const bool is_bare_ipv6 =
      scheme == host.npos && std::ranges::count(name, ':') > 1 && !name.starts_with('[');
  if (is_bare_ipv6) return cat("http://[", name, "]:", port);
  const bool has_port = name.find(':', name.rfind(']') + 1) != name.npos;
  const bool has_path = name.find('/') != name.npos;
  std::string url = cat(scheme == host.npos ? "http://" : "", host);
  return has_port || has_path ? url : cat(url, ":", port);
}

}  // namespace glint
