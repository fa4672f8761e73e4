#pragma once

// Many requests at once on one thread, each on a connection of its own, their streamed answers read
// as they come: what a load generator needs. One request after the other is http_client.h.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "client/url.h"

namespace glint {

class LoadClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // Both run on the thread in run(). `time_s` is `clock`'s, read once for all events that one read
  // from the socket brought.
  struct Answer {
    // The data of each server-sent event; of an answer that is no stream, its whole body.
    std::function<void(std::string_view data, double time_s)> on_event;
    // Once, last. An Error if there was no answer, it broke off, or its status was 400 or more.
    std::function<void(Result<void> result, double time_s)> on_end;
  };

  // Requests go to `server`'s host, whose name is looked up here. `clock` must outlive the client.
  static Result<std::unique_ptr<LoadClient>> create(const Url& server, const Clock& clock);
  ~LoadClient();

  // Connects and sends. `body` must live until on_end: a load's bodies are many and long.
  void post(const std::string& target, const Headers& headers, std::string_view body,
            Answer answer);
  void after(double seconds, std::function<void()> work);
  // Until nothing is under way, no answer and no work in the future; or until stop(), which drops
  // what is.
  void run();
  void stop();

 private:
  struct State;
  class Exchange;
  explicit LoadClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace glint
