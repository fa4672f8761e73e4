#pragma once

// The server that this folder's tests talk to, over real sockets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "base/queue.h"
#include "http/raw_client.h"
#include "http/server.h"

namespace glint {

// A server on a free port. Its routes: /echo answers with the body; /wait hands the exchange to the
// test, which answers when it likes.
class ServerTest : public testing::Test {
 protected:
  void start(HttpLimits limits = {}, int num_threads = 2, TlsFiles tls = {}) {
    add("POST", "/echo", [](auto exchange) {
      exchange->respond({.content_type = "text/plain", .body = exchange->request().body});
    });
    add("GET", "/path/{rest}",
        [](auto exchange) { exchange->respond({.body = exchange->request().path}); });
    add("GET", "/wait", [this](auto exchange) {
      exchange->on_disconnect([this] { gone_.push(true); });
      waiting_.push(std::move(exchange));
    });
    HttpServerOptions options{
        .port = 0, .num_threads = num_threads, .limits = limits, .tls = std::move(tls)};
    auto server = HttpServer::listen(options, std::move(router_));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->start();
  }

  template <typename Handle>
  void add(const char* method, const char* path, Handle handle) {
    router_.add(method, path,
                [handle](std::shared_ptr<Exchange> exchange) { handle(std::move(exchange)); });
  }

  RawClient connect() { return RawClient(server_->port()); }
  std::string ask(std::string_view request) {
    RawClient client = connect();
    client.send(request);
    return client.read_response();
  }
  std::shared_ptr<Exchange> next_waiting() { return waiting_.wait_and_drain().at(0); }
  void expect_gone() { EXPECT_EQ(gone_.wait_and_drain().size(), 1u); }
  // Runs `work` on the exchange's strand and waits for it.
  static void on_strand(const std::shared_ptr<Exchange>& exchange, std::function<void()> work) {
    std::promise<void> done;
    exchange->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  Router router_;
  Queue<std::shared_ptr<Exchange>> waiting_;
  Queue<bool> gone_;
  std::unique_ptr<HttpServer> server_;
};

inline std::string get(std::string_view path, std::string_view more = "") {
  return cat("GET ", path, " HTTP/1.1\r\nHost: h\r\n", more, "\r\n");
}

inline std::string post(std::string_view path, std::string_view body) {
  return cat("POST ", path, " HTTP/1.1\r\nHost: h\r\nContent-Length: ", body.size(), "\r\n\r\n",
             body);
}

}  // namespace glint
