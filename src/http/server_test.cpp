#include "http/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <new>
#include <stdexcept>
#include <thread>

#include "base/queue.h"
#include "http/raw_client.h"
#include "http/sse.h"

namespace glint {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A server on a free port. Its routes: /echo answers with the body; /wait hands the exchange to the
// test, which answers when it likes.
class ServerTest : public testing::Test {
 protected:
  void start(HttpLimits limits = {}, int num_threads = 2) {
    add("POST", "/echo", [](auto exchange) {
      exchange->respond({.content_type = "text/plain", .body = exchange->request().body});
    });
    add("GET", "/path/{rest}",
        [](auto exchange) { exchange->respond({.body = exchange->request().path}); });
    add("GET", "/wait", [this](auto exchange) {
      exchange->on_disconnect([this] { gone_.push(true); });
      waiting_.push(std::move(exchange));
    });
    HttpServerOptions options{.port = 0, .num_threads = num_threads, .limits = limits};
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

std::string get(std::string_view path, std::string_view more = "") {
  return cat("GET ", path, " HTTP/1.1\r\nHost: h\r\n", more, "\r\n");
}

std::string post(std::string_view path, std::string_view body) {
  return cat("POST ", path, " HTTP/1.1\r\nHost: h\r\nContent-Length: ", body.size(), "\r\n\r\n",
             body);
}

TEST_F(ServerTest, KeepsTheConnectionAndAnswersPipelinedRequestsInOrder) {
  start();
  RawClient client = connect();
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += post("/echo", cat("body ", i));
  client.send(requests);
  for (int i = 0; i < 500; ++i) {
    EXPECT_THAT(client.read_response(),
                AllOf(StartsWith("HTTP/1.1 200 OK"), EndsWith(cat("\r\n\r\nbody ", i))));
  }
}

TEST_F(ServerTest, APipelinedRequestWaitsForTheAnswerBeforeIt) {
  start();
  RawClient client = connect();
  client.send(get("/wait") + post("/echo", "second"));
  const auto exchange = next_waiting();
  exchange->post([exchange] { exchange->respond({.body = "first"}); });
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\nfirst"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\nsecond"));
}

TEST_F(ServerTest, CutAtEveryByteARequestIsAnswered) {
  start();
  const std::string request = post("/echo", "0123456789");
  RawClient client = connect();
  for (size_t cut = 1; cut < request.size(); ++cut) {
    client.send(request.substr(0, cut));
    client.send(request.substr(cut));
    EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\n0123456789")) << "cut at " << cut;
  }
}

TEST_F(ServerTest, RoutesByMethodAndPath) {
  start();
  EXPECT_THAT(ask(get("/nowhere")), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("/nowhere")));
  EXPECT_THAT(ask(get("/echo")), AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: POST\r\n")));
  EXPECT_THAT(ask(get("/path/org%2Fmodel?x")), EndsWith("\r\n\r\n/path/org/model"));
  EXPECT_THAT(ask(get("/path/")), StartsWith("HTTP/1.1 404 "));
}

TEST_F(ServerTest, HeadHasTheLengthButNoBody) {
  start();
  RawClient client = connect();
  client.send(cat("HEAD /path/abc HTTP/1.1\r\nHost: h\r\n\r\n", post("/echo", "next")));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Length: 9\r\n"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\nnext"));
}

TEST_F(ServerTest, Http10ClosesUnlessAskedToKeep) {
  start();
  RawClient closes = connect();
  closes.send("GET /path/a HTTP/1.0\r\n\r\n");
  EXPECT_THAT(closes.read_to_end(), AllOf(HasSubstr("Connection: close"), EndsWith("/path/a")));
  RawClient keeps = connect();
  for (int i = 0; i < 2; ++i) {
    keeps.send("GET /path/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(keeps.read_response(), HasSubstr("Connection: keep-alive"));
  }
}

TEST_F(ServerTest, ConnectionCloseIsHonoured) {
  start();
  RawClient client = connect();
  client.send(get("/path/a", "Connection: close\r\n"));
  EXPECT_THAT(client.read_to_end(), AllOf(HasSubstr("Connection: close"), EndsWith("/path/a")));
}

TEST_F(ServerTest, ContinuesOnlyABodyItWillTake) {
  start({.max_body_bytes = 4});
  RawClient client = connect();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\nbody"));
  client.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(ServerTest, ABodyOf32MiBIsTakenAndNotOneByteMore) {
  start();
  const std::string body(size_t{32} << 20, 'x');
  RawClient client = connect();
  client.send(post("/echo", body));
  const std::string response = client.read_response();
  EXPECT_THAT(response.substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_TRUE(std::string_view(response).ends_with(body));
  // Announced: answered before a byte of it is there, and the client may go on sending.
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 33554433\r\n\r\n");
  EXPECT_THAT(client.read_response(), AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("32 MiB")));
}

TEST_F(ServerTest, ARefusedBodyIsReadSoThatTheAnswerArrives) {
  start({.max_body_bytes = 1000});
  RawClient client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = cat("1f4\r\n", std::string(500, 'x'), "\r\n");
  for (int i = 0; i < 1000; ++i) client.send(chunk);  // two are allowed
  EXPECT_THAT(client.read_to_end(), AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("1000 bytes")));
}

TEST_F(ServerTest, HeadersOverTheLimitAre431) {
  const std::string at = get("/path/a", cat("X: ", std::string(100, 'x'), "\r\n"));
  start({.max_header_bytes = at.size()});
  EXPECT_THAT(ask(at), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask(get("/path/a", cat("X: ", std::string(101, 'x'), "\r\n"))),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(ServerTest, ABadRequestLineIs400AndEndsTheConnection) {
  start();
  RawClient client = connect();
  client.send("NONSENSE\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("not a valid")));
}

TEST_F(ServerTest, ErrorsHaveTheShapeThatTheRouterGives) {
  router_.set_error_body([](int status, const std::string& message) {
    return HttpResponse{.status = status, .body = cat("{\"", message, "\"}")};
  });
  start({.max_body_bytes = 1});
  EXPECT_THAT(ask(post("/echo", "12")), AllOf(StartsWith("HTTP/1.1 413 "), EndsWith("takes.\"}")));
  EXPECT_THAT(ask(get("/nowhere")), EndsWith("\r\n\r\n{\"There is no /nowhere here.\"}"));
}

TEST_F(ServerTest, TimesOutAHeaderABodyAndAnIdleConnection) {
  start({.header_timeout_s = 0.05, .idle_timeout_s = 0.05, .body_timeout_s = 0.05});
  RawClient header = connect();
  header.send("GET / HTTP/1.1\r\nHost: ");
  EXPECT_THAT(header.read_to_end(), StartsWith("HTTP/1.1 408 "));
  RawClient body = connect();
  body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n1234");
  EXPECT_THAT(body.read_to_end(), StartsWith("HTTP/1.1 408 "));
  RawClient idle = connect();
  EXPECT_EQ(idle.read_to_end(), "");
  RawClient kept = connect();
  kept.send(post("/echo", "x"));
  EXPECT_THAT(kept.read_to_end(), EndsWith("\r\n\r\nx"));
}

TEST_F(ServerTest, ConnectionsOverTheLimitAreAnswered503) {
  start({.max_connections = 2});
  RawClient first = connect(), second = connect();
  first.send(post("/echo", "1"));
  second.send(post("/echo", "2"));
  EXPECT_THAT(first.read_response(), EndsWith("\r\n\r\n1"));
  EXPECT_THAT(second.read_response(), EndsWith("\r\n\r\n2"));
  RawClient third = connect();
  third.send(post("/echo", "3"));
  EXPECT_THAT(third.read_to_end(), StartsWith("HTTP/1.1 503 "));
  // The place of one that ends is free again, as soon as the server knows.
  first.close();
  std::string answer;
  while (!answer.starts_with("HTTP/1.1 200 ")) answer = ask(post("/echo", "4"));
}

TEST_F(ServerTest, StreamsInChunks) {
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

TEST_F(ServerTest, TellsTheHandlerThatItsClientIsGone) {
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

TEST_F(ServerTest, AnAnsweredRequestHasNoDisconnect) {
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

TEST_F(ServerTest, ASlowReaderPausesTheHandlerUntilItReads) {
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

TEST_F(ServerTest, AReaderThatStaysSlowIsCut) {
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
}

TEST_F(ServerTest, AClientThatNeverReadsACompleteAnswerIsCut) {
  start({.max_body_bytes = size_t{64} << 20,
         .max_unsent_bytes = size_t{1} << 30,
         .slow_reader_timeout_s = 0.05});
  RawClient client;
  client.take_little();
  client.connect(server_->port());
  client.send(post("/echo", std::string(size_t{32} << 20, 'x')));
  while (server_->num_connections() > 0) std::this_thread::yield();
}

TEST_F(ServerTest, WritesMadeWhileTheSocketIsFullGoOutTogether) {
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

TEST_F(ServerTest, AHandlerThatThrowsIsAnswered500) {
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

TEST_F(ServerTest, PostedWorkThatThrowsIsAnswered500) {
  start();
  RawClient client = connect();
  client.send(get("/wait"));
  const auto exchange = next_waiting();
  exchange->post([] { throw std::runtime_error("later"); });
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ServerTest, ADroppedExchangeIsAnswered500) {
  add("GET", "/drop", [](auto) {});
  start();
  EXPECT_THAT(ask(get("/drop")), StartsWith("HTTP/1.1 500 "));
  RawClient client = connect();
  client.send(get("/wait"));
  next_waiting().reset();  // on this thread
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ServerTest, ShutdownClosesIdleConnectionsAndLetsAnswersFinish) {
  start();
  RawClient idle = connect(), busy = connect();
  idle.send(post("/echo", "x"));
  idle.read_response();
  busy.send(get("/wait") + get("/path/never"));
  const auto exchange = next_waiting();
  std::thread stopping([&] { server_->shutdown(1000); });
  EXPECT_EQ(idle.read_to_end(), "");
  exchange->post([exchange] { exchange->respond({.body = "finished"}); });
  EXPECT_THAT(busy.read_to_end(), AllOf(HasSubstr("Connection: close"), EndsWith("finished")));
  busy.close();
  stopping.join();
  EXPECT_EQ(server_->num_connections(), 0);
  RawClient late;
  exchange->post([] { ADD_FAILURE() << "work ran after the server's end"; });
}

TEST_F(ServerTest, ShutdownCutsWhatIsLeftAtTheGraceTime) {
  start();
  RawClient client = connect();
  client.send(get("/wait"));
  const auto exchange = next_waiting();
  server_->shutdown(0.05);
  expect_gone();
  EXPECT_EQ(client.read_to_end(), "");
  server_.reset();  // before the exchange
}

TEST_F(ServerTest, AServerThatNeverStartedShutsDown) {
  auto server = HttpServer::listen({.port = 0}, Router());
  ASSERT_TRUE(server);
}

TEST_F(ServerTest, ATakenPortIsSaidWithTheWayOut) {
  start();
  HttpServerOptions options{.port = server_->port()};
  const auto second = HttpServer::listen(options, Router());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kStartup);
  EXPECT_THAT(second.error().message,
              AllOf(HasSubstr(cat("Cannot listen on 127.0.0.1 port ", server_->port())),
                    HasSubstr("ddress already in use"), HasSubstr("choose another port")));
}

TEST_F(ServerTest, AHostThatIsNotOursIsSaidWithTheWayOut) {
  for (const char* host : {"no such host", "192.0.2.1"}) {  // TEST-NET-1, RFC 5737
    const auto server = HttpServer::listen({.host = host, .port = 0}, Router());
    ASSERT_FALSE(server);
    EXPECT_THAT(server.error().message,
                AllOf(HasSubstr(host), HasSubstr("127.0.0.1 (local only)")));
  }
}

TEST_F(ServerTest, TheAnyAddressOfIpv6TakesIpv4) {
  auto server = HttpServer::listen({.host = "::", .port = 0}, Router());
  if (!server) GTEST_SKIP() << "no IPv6 here: " << server.error().message;
  (*server)->start();
  RawClient client((*server)->port());
  client.send(get("/"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 404 "));
}

// While accept fails for want of a descriptor, the connection waits in the kernel's queue.
TEST_F(ServerTest, OutOfDescriptorsItWaitsAndGoesOn) {
  start({}, /*num_threads=*/1);
  RawClient served = connect(), waits;
  served.send(post("/echo", "1"));
  served.read_response();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int lowest_free = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  ASSERT_GE(lowest_free, 0);
  ::close(lowest_free);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(lowest_free), .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  waits.connect(server_->port());
  waits.send(post("/echo", "at last"));
  for (int i = 0; i < 10; ++i) {  // its one thread has seen the new connection, and goes on
    served.send(post("/echo", cat(i)));
    EXPECT_THAT(served.read_response(), EndsWith(cat("\r\n\r\n", i)));
  }
  EXPECT_EQ(server_->num_connections(), 1);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(waits.read_response(), EndsWith("at last"));
}

// Random bytes in random pieces, from clients that leave when they like. The server lives.
TEST_F(ServerTest, NoiseAndMutatedRequestsLeaveItAlive) {
  start({.max_body_bytes = 100, .max_header_bytes = 300, .header_timeout_s = 0.05}, 3);
  unsigned state = 1;
  const auto random = [&](unsigned below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  for (int round = 0; round < 2000; ++round) {
    std::string text =
        random(2) == 0 ? post("/echo", "0123456789") + get("/path/a") : get("/nowhere");
    for (unsigned edits = random(4); edits > 0; --edits) {
      text[random(static_cast<unsigned>(text.size()))] = static_cast<char>(random(256));
    }
    RawClient client = connect();
    const size_t cut = random(static_cast<unsigned>(text.size()));
    client.send(std::string_view(text).substr(0, cut));
    client.send(std::string_view(text).substr(cut));
    if (random(4) == 0) client.reset();
  }
  EXPECT_THAT(ask(post("/echo", "alive")), EndsWith("alive"));
}

}  // namespace
}  // namespace glint
