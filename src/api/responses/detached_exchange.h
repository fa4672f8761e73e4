#pragma once

// The Exchange of a background response: the answer goes on when its client leaves, or has been
// told that it is queued. What is written then goes nowhere.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/http.h"

namespace glint {

class DetachedExchange final : public Exchange,
                               public std::enable_shared_from_this<DetachedExchange> {
 public:
  explicit DetachedExchange(std::shared_ptr<Exchange> client) : client_(std::move(client)) {}

  const HttpRequest& request() const override { return client_->request(); }
  void respond(HttpResponse response) override { client_->respond(std::move(response)); }
  void begin_stream(int status, std::string content_type,
                    std::vector<std::pair<std::string, std::string>> headers) override;
  void write(std::string bytes) override { client_->write(std::move(bytes)); }
  void end_stream() override;
  // A connection whose answer is complete belongs to its next request: it does not bind this one.
  bool writable() const override { return !streaming_ || client_->writable(); }
  void on_writable(std::function<void()> callback) override;
  // Called by stop() alone.
  void on_disconnect(std::function<void()> callback) override { stopped_ = std::move(callback); }
  void after(double seconds, std::function<void()> work) override;
  void post(std::function<void()> work) override { client_->post(std::move(work)); }

  // On the strand: cancels the answer, as a client that leaves would. A stream ends without a last
  // event.
  void stop();

 private:
  void client_gone();

  const std::shared_ptr<Exchange> client_;
  bool streaming_ = false;  // to a client that is still there
  std::function<void()> writable_, stopped_;
};

}  // namespace glint
