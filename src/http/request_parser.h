#pragma once

// Bytes to one HttpRequest, however they are cut. Wraps Beast's parser, which knows the grammar and
// the traps (conflicting lengths, bad chunks); the limits and what follows from them are ours.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.h"

namespace glint {

// Why a request cannot be answered by a handler. The connection ends with it: after it nobody knows
// where the next request begins.
struct RequestFailure {
  int status = 400;
  std::string message;
};

class RequestParser {
 public:
  explicit RequestParser(const HttpLimits& limits);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  // Takes what it can of `bytes` and says how much that was. The rest has to come again, with more
  // behind it; or it belongs to the next request, when done().
  size_t put(std::string_view bytes);

  bool header_done() const;
  bool done() const;
  const std::optional<RequestFailure>& failure() const;

  // After header_done():
  bool is_http_1_0() const;
  bool keep_alive() const;
  bool expects_continue() const;

  const HttpRequest& request() const;  // what is read of it
  HttpRequest take();                  // once, after done()

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glint
