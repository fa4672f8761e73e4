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

}  // namespace glint
