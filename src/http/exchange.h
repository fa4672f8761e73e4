#pragma once

// The Exchange that handlers see, over a Connection. Internal to http/.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/connection.h"
#include "http/http.h"

namespace glint {

class ConnectionExchange final : public Exchange {
 public:
  ConnectionExchange(std::shared_ptr<Connection> connection, HttpRequest request, uint64_t id,
                     bool http_1_0);
  ~ConnectionExchange() override;

  const HttpRequest& request() const override { return request_; }
  void respond(HttpResponse response) override;
  void begin_stream(int status, std::string content_type,
                    std::vector<std::pair<std::string, std::string>> headers) override;
  void write(std::string bytes) override;
  void end_stream() override;
  bool writable() const override;
  void on_writable(std::function<void()> callback) override;
  void on_disconnect(std::function<void()> callback) override;
  void after(double seconds, std::function<void()> work) override;
  void post(std::function<void()> work) override;

  // For the connection:
  void client_gone();
  void became_writable();
  void handler_failed();

 private:
  enum class State { kUnanswered, kStreaming, kComplete, kGone };
  bool is_head() const { return request_.method == "HEAD"; }
  void add_request_id(std::vector<std::pair<std::string, std::string>>& headers) const;
  void complete();

  const std::shared_ptr<Connection> connection_;
  const HttpRequest request_;
  const uint64_t id_;
  const bool http_1_0_;
  State state_ = State::kUnanswered;
  std::function<void()> on_writable_;
  std::function<void()> on_disconnect_;
};

// Writes a whole answer.
void append_response(std::string& out, const HttpResponse& response, ResponseHead head,
                     bool with_body);

}  // namespace glint
