#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace glint {

// "http://host:port/path?query", or https.
struct Url {
  bool tls = false;       // https
  std::string host;       // an IPv6 address without its brackets
  std::string port;       // "80" or "443" if there is none
  std::string target;     // path and query, as sent: "/" if there is none
  std::string authority;  // host and port as written, for the Host header

  std::string origin() const;  // "https://host:port", with the authority
};

Result<Url> parse_url(std::string_view url);

// Without slashes at its end, for a path to follow.
std::string without_end_slashes(std::string_view url);

// Where --host and --port lead. A host may be a URL, as SGLang's clients take it; `port` is not
// used if it has one, or a path.
std::string server_url(std::string_view host, int port);

}  // namespace glint
