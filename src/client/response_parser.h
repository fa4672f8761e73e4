#pragma once

// Bytes to one HttpResponse, however they are cut. Wraps Beast's parser.

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "http/http.h"

namespace glint {

class ResponseParser {
 public:
  // `on_body` gets the body's bytes as they come; the response's own body stays empty.
  explicit ResponseParser(std::function<void(std::string_view)> on_body);
  ~ResponseParser();

  // Takes what it can of `bytes` and says how much that was; the rest has to come again, with more
  // behind it.
  Result<size_t> put(std::string_view bytes);
  // The server has closed the connection: for some bodies that is their end, else an Error.
  Result<void> end_of_stream();

  bool got_some() const;
  bool header_done() const;
  bool done() const;
  bool keep_alive() const;               // after header_done()
  const HttpResponse& response() const;  // after header_done(); its body is empty

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glint
