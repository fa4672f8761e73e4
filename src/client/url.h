#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace glint {

// "http://host:port/path?query". No TLS: a proxy in front of the server does that.
struct Url {
  std::string host;       // an IPv6 address without its brackets
  std::string port;       // "80" if there is none
  std::string target;     // path and query, as sent: "/" if there is none
  std::string authority;  // host and port as written, for the Host header
};

Result<Url> parse_url(std::string_view url);

}  // namespace glint
