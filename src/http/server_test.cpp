#include "http/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>

#include "http/server_fixture.h"

namespace glint {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

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
  EXPECT_THAT(ask(get("/echo")),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: POST, OPTIONS\r\n")));
  EXPECT_THAT(ask(get("/path/org%2Fmodel?x")), EndsWith("\r\n\r\n/path/org/model"));
  EXPECT_THAT(ask(get("/path/")), StartsWith("HTTP/1.1 404 "));
}

TEST_F(ServerTest, OptionsNamesTheMethodsOfAPath) {
  start();
  EXPECT_THAT(ask("OPTIONS /path/a HTTP/1.1\r\nHost: h\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 204 "), HasSubstr("Allow: GET, HEAD, OPTIONS\r\n"),
                    Not(HasSubstr("Content-Type"))));  // of no body
  EXPECT_THAT(ask("OPTIONS /nowhere HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
}

TEST(RequestIdTest, IsShortAndPrintable) {
  const auto id_of = [](std::string value) {
    HttpRequest request;
    request.headers.emplace_back("x-request-id", std::move(value));
    return std::string(request_id(request));
  };
  const std::string longest(kMaxRequestIdBytes, 'x');
  EXPECT_EQ(id_of("abc-1"), "abc-1");
  EXPECT_EQ(id_of(longest), longest);
  EXPECT_EQ(id_of(longest + "x"), "");
  EXPECT_EQ(id_of("a b"), "");
  EXPECT_EQ(id_of("caf\xc3\xa9"), "");
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

// The more particular path wins, for every method.
TEST_F(ServerTest, AWildcardMayHaveAFixedEnding) {
  for (const char* path : {"/a/{id}", "/a/{id}/b", "/a/c"}) {
    add("GET", path, [path](auto exchange) { exchange->respond({.body = path}); });
  }
  add("POST", "/a/{id}", [](auto exchange) { exchange->respond({.body = "posted"}); });
  start();
  EXPECT_THAT(ask(get("/a/x")), EndsWith("\r\n\r\n/a/{id}"));
  EXPECT_THAT(ask(get("/a/x/y")), EndsWith("\r\n\r\n/a/{id}"));
  EXPECT_THAT(ask(get("/a/x/b")), EndsWith("\r\n\r\n/a/{id}/b"));
  EXPECT_THAT(ask(get("/a/c")), EndsWith("\r\n\r\n/a/c"));
  EXPECT_THAT(ask(get("/a//b")), EndsWith("\r\n\r\n/a/{id}"));
  EXPECT_THAT(ask(post("/a/x", "")), EndsWith("\r\n\r\nposted"));
  EXPECT_THAT(ask(post("/a/x/b", "")), StartsWith("HTTP/1.1 405 "));
}

// On the same connection, too; what was begun goes on.
TEST_F(ServerTest, ANewRouterAnswersWhatComesFromThenOn) {
  start();
  RawClient client = connect(), waits = connect();
  client.send(get("/new"));
  EXPECT_THAT(client.read_response(), StartsWith("HTTP/1.1 404 "));
  waits.send(get("/wait"));
  const auto exchange = next_waiting();
  Router router;
  router.add("GET", "/new", [](auto asked) { asked->respond({.body = "new"}); });
  server_->set_router(std::move(router));
  client.send(get("/new"));
  EXPECT_THAT(client.read_response(), EndsWith("\r\n\r\nnew"));
  exchange->post([exchange] { exchange->respond({.body = "begun"}); });
  EXPECT_THAT(waits.read_response(), EndsWith("\r\n\r\nbegun"));
}

TEST_F(ServerTest, ErrorsHaveTheShapeThatTheRouterGives) {
  router_.set_hooks({.error_body = [](const HttpRequest&, int status, const std::string& message) {
    return HttpResponse{.status = status, .body = cat("{\"", message, "\"}")};
  }});
  start({.max_body_bytes = 1});
  EXPECT_THAT(ask(post("/echo", "12")), AllOf(StartsWith("HTTP/1.1 413 "), EndsWith("takes.\"}")));
  EXPECT_THAT(ask(get("/nowhere")), EndsWith("\r\n\r\n{\"There is no /nowhere here.\"}"));
}

TEST_F(ServerTest, TimesOutAHeaderAndABody) {
  start({.header_timeout_s = 0.05, .body_timeout_s = 0.05});
  RawClient header = connect();
  header.send("GET / HTTP/1.1\r\nHost: ");
  EXPECT_THAT(header.read_to_end(), StartsWith("HTTP/1.1 408 "));
  RawClient body = connect();
  body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n1234");
  EXPECT_THAT(body.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(ServerTest, TimesOutAnIdleConnection) {
  start({.idle_timeout_s = 1});  // also what a client has between connecting and sending
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

TEST_F(ServerTest, UntilTheLastAnswerIsSentWhoAsksIsToldAndNotKept) {
  start();
  RawClient busy = connect(), idle = connect(), fresh = connect(), sending = connect();
  busy.send(get("/wait"));
  const auto exchange = next_waiting();
  idle.send(post("/echo", "x"));
  idle.read_response();
  sending.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  sending.read_until("100 Continue\r\n\r\n");
  while (server_->num_connections() < 4) std::this_thread::yield();
  std::thread stopping([&] { server_->shutdown(1000); });
  EXPECT_EQ(idle.read_to_end(), "");
  fresh.send(post("/echo", "told"));
  sending.send("told");
  RawClient late = connect();
  late.send(get("/path/told"));
  for (RawClient* client : {&fresh, &sending, &late}) {
    EXPECT_THAT(client->read_to_end(), AllOf(HasSubstr("Connection: close"), EndsWith("told")));
  }
  RawClient silent = connect();  // holds nobody up
  exchange->post([exchange] { exchange->respond({.body = "finished"}); });
  EXPECT_THAT(busy.read_to_end(), EndsWith("finished"));
  for (RawClient* client : {&busy, &fresh, &sending, &late}) client->close();
  stopping.join();
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_EQ(server_->num_connections(), 0);
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
  std::string answers;
  for (int i = 0; i < 10; ++i) {  // its one thread has seen the new connection, and goes on
    served.send(post("/echo", cat(i)));
    answers += served.read_response().back();
  }
  const int num_connections = server_->num_connections();
  setrlimit(RLIMIT_NOFILE, &before);  // before what is expected: UBSan's matchers need a descriptor
  EXPECT_EQ(answers, "0123456789");
  EXPECT_EQ(num_connections, 1);
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
