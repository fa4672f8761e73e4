#pragma once

// What there is to compare with: Beast's own asynchronous hello-world, as its documentation has it
// (Boost.Beast 1.81, example/http/server/async), with an answer of a fixed size, or a stream of as
// many SSE events as asked for, each written on its own. No limits, timeouts or routes.

#include <cstdint>
#include <memory>
#include <string>

namespace glint {

// `num_events` 0: the answer is `body`. Else so many events, each with `body` as its data.
struct BaselineAnswer {
  std::string body;
  int num_events = 0;
};

class BaselineServer {
 public:
  BaselineServer(BaselineAnswer answer, int num_threads);  // on a free port of 127.0.0.1
  ~BaselineServer();
  uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glint
