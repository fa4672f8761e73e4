// What a handler sees of its client, over real sockets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <new>
#include <stdexcept>
#include <thread>

#include "http/server_fixture.h"
#include "http/sse.h"

namespace glint {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ExchangeTest : public ServerTest {};

TEST_F(ExchangeTest, StreamsInChunks) {
  add("GET", "/stream", [](auto exchange) {
    exchange->begin_stream(200, "text/event-stream", {{"X-A", "1"}});
    for (int i = 0; i < 3; ++i) exchange->write(sse_event(cat(i)));
    exchange->write("");  // nothing, not the end
    exchange->end_stream();
  });
  start();
  RawClient client = connect();
  client.send(get("/stream"));
  EXPECT_THAT(client.read_until("\r\n\r\n"),
              AllOf(HasSubstr("Transfer-Encoding: chunked\r\n"), HasSubstr("X-A: 1\r\n")));
  EXPECT_EQ(client.read_until("0\r\n\r\n"),
            "9\r\ndata: 0\n\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n");
  client.send("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" + post("/echo", "kept"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("chunked"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\nkept"));
  RawClient old = connect();
  old.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(old.read_to_end(), AllOf(Not(HasSubstr("chunked")), HasSubstr("Connection: close"),
                                       EndsWith("\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n")));
}

TEST_F(ExchangeTest, TellsTheHandlerThatItsClientIsGone) {
  start();
  for (const bool streaming : {false, true}) {
    for (const bool by_reset : {false, true}) {
      SCOPED_TRACE(cat("streaming ", streaming, ", by reset ", by_reset));
      RawClient client = connect();
      client.send(get("/wait") + "GET /pipe");  // also with half a request behind
      const auto exchange = next_waiting();
      if (streaming) {
        on_strand(exchange, [&] { exchange->begin_stream(200, "text/event-stream"); });
        client.read_until("\r\n\r\n");
      }
      by_reset ? client.reset() : client.close();
      expect_gone();
      std::promise<void> again;
      on_strand(exchange, [&] {  // all of these do nothing, but say so
        exchange->write("late");
        streaming ? exchange->end_stream() : exchange->respond({});
        EXPECT_TRUE(exchange->writable());
        exchange->on_disconnect([&] { again.set_value(); });
      });
      again.get_future().wait();
    }
  }
}

TEST_F(ExchangeTest, AnAnsweredRequestHasNoDisconnect) {
  start();
  RawClient client = connect();
  client.send(get("/wait"));
  auto exchange = next_waiting();
  on_strand(exchange, [&] { exchange->respond({.body = "done"}); });
  EXPECT_THAT(client.read_response(), EndsWith("done"));
  client.close();
  exchange.reset();
  server_->shutdown(0);
  EXPECT_TRUE(gone_.drain().empty());
}

TEST_F(ExchangeTest, ASlowReaderPausesTheHandlerUntilItReads) {
  start({.max_unsent_bytes = 10000, .slow_reader_timeout_s = 1000});
  RawClient client;
  client.take_little();
  client.connect(server_->port());
  client.send("GET /wait HTTP/1.0\r\n\r\n");  // raw bytes are easier to count than chunks
  const auto exchange = next_waiting();
  size_t written = 0;
  std::atomic<int> resumed = 0;
  on_strand(exchange, [&] {
    exchange->on_writable([&] { ++resumed; });
    exchange->begin_stream(200, "text/plain");
  });
  // The kernel's buffers are finite: at last bytes stay with us.
  bool writable = true;
  while (writable) {
    on_strand(exchange, [&] {
      const std::string piece(60000, 'x');
      exchange->write(piece);
      written += piece.size();
    });
    on_strand(exchange, [&] { writable = exchange->writable(); });
  }
  const int resumed_before = resumed;  // some writes were over the limit only until they were sent
  on_strand(exchange, [&] {
    exchange->on_writable([&] {
      exchange->write("end");
      exchange->end_stream();
    });
  });
  EXPECT_EQ(resumed, resumed_before);
  client.read_until("\r\n\r\n");
  const std::string body = client.read_to_end();
  EXPECT_EQ(body.size(), written + 3);
  EXPECT_TRUE(body.ends_with("xend"));
}

TEST_F(ExchangeTest, AReaderThatStaysSlowIsCut) {
  start({.max_unsent_bytes = 10000, .slow_reader_timeout_s = 0.05});
  RawClient client;
  client.take_little();
  client.connect(server_->port());
  client.send(get("/wait"));
  const auto exchange = next_waiting();
  on_strand(exchange, [&] {
    exchange->begin_stream(200, "text/plain");
    exchange->write(std::string(size_t{32} << 20, 'x'));
  });
  expect_gone();
  EXPECT_TRUE(client.was_reset());  // what the system has taken for it would last for minutes
}

TEST_F(ExchangeTest, AClientThatNeverReadsACompleteAnswerIsCut) {
  start({.max_body_bytes = size_t{64} << 20,
         .max_unsent_bytes = size_t{1} << 30,
         .slow_reader_timeout_s = 0.05});
  RawClient client;
  client.take_little();
  client.connect(server_->port());
  client.send(post("/echo", std::string(size_t{32} << 20, 'x')));
  while (server_->num_connections() > 0) std::this_thread::yield();
}

TEST_F(ExchangeTest, WritesMadeWhileTheSocketIsFullGoOutTogether) {
  start({.max_unsent_bytes = size_t{1} << 30});
  RawClient client = connect();
  client.send("GET /wait HTTP/1.0\r\n\r\n");
  const auto exchange = next_waiting();
  std::string expected;
  on_strand(exchange, [&] { exchange->begin_stream(200, "text/plain"); });
  for (int i = 0; i < 2000; ++i) {
    const std::string piece = cat(i, std::string(10000, 'x'));
    expected += piece;
    exchange->post([exchange, piece] { exchange->write(piece); });
  }
  exchange->post([exchange] { exchange->end_stream(); });
  client.read_until("\r\n\r\n");
  EXPECT_TRUE(client.read_to_end() == expected);
}

TEST_F(ExchangeTest, AHandlerThatThrowsIsAnswered500) {
  add("GET", "/bad_alloc", [](auto) { throw std::bad_alloc(); });
  add("GET", "/odd", [](auto) { throw 7; });
  add("GET", "/midway", [](auto exchange) {
    exchange->begin_stream(200, "text/plain");
    exchange->write("some");
    throw std::runtime_error("midway");
  });
  start();
  RawClient client = connect();
  for (const char* path : {"/bad_alloc", "/odd"}) {
    client.send(get(path));
    EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 500 "));
  }
  client.send(get("/midway"));
  EXPECT_THAT(client.read_to_end(), Not(HasSubstr("0\r\n\r\n")));  // cut: not a whole answer
  EXPECT_THAT(ask(post("/echo", "lives")), EndsWith("lives"));
}

TEST_F(ExchangeTest, PostedWorkThatThrowsIsAnswered500) {
  start();
  RawClient client = connect();
  client.send(get("/wait"));
  const auto exchange = next_waiting();
  exchange->post([] { throw std::runtime_error("later"); });
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ExchangeTest, WorkComesLaterUnlessTheAnswerIsComplete) {
  start();
  RawClient client = connect();
  client.send(get("/wait"));
  const auto exchange = next_waiting();
  on_strand(exchange, [&] {
    // Replaced when its timer has fired already, the strand being busy, and again at once.
    exchange->after(0, [exchange] { exchange->respond({.status = 500, .body = "replaced"}); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    exchange->after(0, [exchange] { exchange->respond({.status = 500, .body = "replaced"}); });
    exchange->after(0.01, [exchange] { exchange->respond({.body = "later"}); });
  });
  EXPECT_THAT(client.read_response(), EndsWith("later"));
  client.send(get("/wait"));
  const auto second = next_waiting();
  on_strand(second, [&] {
    second->after(0, [second] { second->respond({.body = "too late"}); });
    second->respond({.body = "now"});
  });
  EXPECT_THAT(client.read_response(), EndsWith("now"));
  client.send(post("/echo", "lives"));  // answering twice would have been a CHECK
  EXPECT_THAT(client.read_response(), EndsWith("lives"));
}

TEST_F(ExchangeTest, ADroppedExchangeIsAnswered500) {
  add("GET", "/drop", [](auto) {});
  start();
  EXPECT_THAT(ask(get("/drop")), StartsWith("HTTP/1.1 500 "));
  RawClient client = connect();
  client.send(get("/wait"));
  next_waiting().reset();  // on this thread
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 500 "));
}

}  // namespace
}  // namespace glint
