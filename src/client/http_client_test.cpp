#include "client/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/queue.h"
#include "client/url.h"
#include "http/server.h"

namespace glint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// The real server on a free port, and a client of it.
class HttpClientTest : public testing::Test {
 protected:
  void start(HttpLimits limits = {}) {
    router_.add("POST", "/echo", [this](std::shared_ptr<Exchange> exchange) {
      peers_.push(std::string(exchange->request().peer));
      exchange->respond({.content_type = "text/plain", .body = exchange->request().body});
    });
    router_.add("GET", "/hello", [](std::shared_ptr<Exchange> exchange) {
      exchange->respond({.body = cat("hello ", exchange->request().header("X-Name"))});
    });
    router_.add("POST", "/events", [](std::shared_ptr<Exchange> exchange) {
      exchange->begin_stream(200, "text/event-stream");
      exchange->write(std::string(kSsePing));
      exchange->write(sse_event("1") + sse_event("two\nlines", "named"));
      exchange->end_stream();
    });
    router_.add("POST", "/endless", [this](std::shared_ptr<Exchange> exchange) {
      exchange->on_disconnect([this] { gone_.push(true); });
      exchange->begin_stream(200, "text/event-stream");
      exchange->write(sse_event("begun"));
      kept_ = exchange;
    });
    auto server = HttpServer::listen({.port = 0, .limits = limits}, std::move(router_));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->start();
  }

  std::string url(std::string_view path) { return cat("http://127.0.0.1:", server_->port(), path); }

  Router router_;
  Queue<std::string> peers_;
  Queue<bool> gone_;
  std::shared_ptr<Exchange> kept_;
  std::unique_ptr<HttpServer> server_;
  HttpClient client_;
};

TEST_F(HttpClientTest, GetsAndPosts) {
  start();
  const auto hello = client_.get(url("/hello"), {{"X-Name", "you"}});
  ASSERT_TRUE(hello) << hello.error().message;
  EXPECT_EQ(hello->status, 200);
  EXPECT_EQ(hello->body, "hello you");
  const std::string big(3 << 20, 'x');  // more than the sockets' buffers
  const auto echo = client_.post(url("/echo"), {}, big);
  ASSERT_TRUE(echo) << echo.error().message;
  EXPECT_TRUE(echo->body == big);
  EXPECT_EQ(echo->content_type, "text/plain");
}

TEST_F(HttpClientTest, AnyStatusIsAResponse) {
  start();
  const auto response = client_.get(url("/nowhere"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
}

TEST_F(HttpClientTest, WaitsBehindA100Continue) {
  start();
  for (int i = 0; i < 2; ++i) {
    const auto response = client_.post(url("/echo"), {{"Expect", "100-continue"}}, "body");
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "body");
  }
}

TEST_F(HttpClientTest, KeepsItsConnection) {
  start();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client_.post(url("/echo"), {}, "x"));
  const auto peers = peers_.drain();
  EXPECT_THAT(peers, ElementsAre(peers[0], peers[0], peers[0]));
}

TEST_F(HttpClientTest, TriesAgainOnAConnectionThatTheServerHasClosed) {
  start({.idle_timeout_s = 1});  // which counts between connecting and sending, too
  ASSERT_TRUE(client_.post(url("/echo"), {}, "1"));
  while (server_->num_connections() > 0) std::this_thread::yield();
  const auto second = client_.post(url("/echo"), {}, "2");
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->body, "2");
}

TEST_F(HttpClientTest, ReadsTheAnswerToARequestThatWasNotTaken) {
  start({.max_body_bytes = 10});
  const auto response = client_.post(url("/echo"), {}, std::string(1 << 20, 'x'));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 413);
}

TEST_F(HttpClientTest, StreamsEvents) {
  start();
  std::vector<SseEvent> events;
  const auto collect = [&](const SseEvent& event) { events.push_back(event); };
  const auto streamed = client_.post_stream(url("/events"), {}, "{}", collect);
  ASSERT_TRUE(streamed) << streamed.error().message;
  EXPECT_THAT(events, ElementsAre(SseEvent{"message", "1"}, SseEvent{"named", "two\nlines"}));
}

TEST_F(HttpClientTest, ARefusalInsteadOfAStreamIsOneSentence) {
  start();
  const auto ignore = [](const SseEvent&) {};
  const auto missing = client_.post_stream(url("/nowhere"), {}, "{}", ignore);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kInvalidRequest);
  EXPECT_THAT(missing.error().message,
              AllOf(StartsWith(cat(url("/nowhere"), " answered 404: There is no")),
                    Not(HasSubstr("{")), Not(HasSubstr("\n"))));
  const auto page = client_.post_stream(url("/echo"), {}, "<html>", ignore);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().message,
            cat(url("/echo"), " answered 200, but with no stream of events."));
}

TEST_F(HttpClientTest, CancelEndsAStreamAndTheServerNotices) {
  start();
  const auto cancel = [&](const SseEvent& event) {
    EXPECT_EQ(event.data, "begun");
    std::thread([&] { client_.cancel(); }).join();
  };
  const auto streamed = client_.post_stream(url("/endless"), {}, "{}", cancel);
  ASSERT_FALSE(streamed);
  EXPECT_EQ(streamed.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(gone_.wait_and_drain().size(), 1u);
  EXPECT_TRUE(client_.get(url("/hello")));  // usable again
}

TEST_F(HttpClientTest, AServerThatIsCutOffWithinItsAnswerIsAnError) {
  start();
  const auto stop = [&](const SseEvent&) { server_->shutdown(0); };
  const auto streamed = client_.post_stream(url("/endless"), {}, "{}", stop);
  ASSERT_FALSE(streamed);
  EXPECT_THAT(streamed.error().message, AllOf(HasSubstr(url("/endless")), HasSubstr("closed")));
}

TEST_F(HttpClientTest, SilenceHasATimeout) {
  start();
  HttpClient impatient({.silence_timeout_s = 0.02});
  const auto streamed = impatient.post_stream(url("/endless"), {}, "{}", [](const SseEvent&) {});
  ASSERT_FALSE(streamed);
  EXPECT_THAT(streamed.error().message, HasSubstr("Nothing came from the server for 0.02 s"));
}

TEST_F(HttpClientTest, AnAnswerThatIsTooLargeIsAnError) {
  start();
  HttpClient small({.max_response_bytes = 1000});
  EXPECT_TRUE(small.post(url("/echo"), {}, std::string(1000, 'x')));
  const auto response = small.post(url("/echo"), {}, std::string(1001, 'x'));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kTooLarge);
}

TEST_F(HttpClientTest, ARefusedConnectionSaysHowToStartAServer) {
  start();
  const std::string gone = url("/hello");
  server_->shutdown(0);
  const auto response = client_.get(gone);
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message,
              AllOf(HasSubstr(cat("http://127.0.0.1:", server_->port())),
                    HasSubstr("Connection refused"), HasSubstr("`glint serve` starts one")));
}

TEST_F(HttpClientTest, AHeaderWithALineBreakIsRefused) {
  const auto response = client_.get("http://127.0.0.1:1/", {{"X", "a\r\nEvil: b"}});
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message, HasSubstr("line break"));
}

TEST(UrlTest, AHostMayBeAUrl) {
  EXPECT_EQ(server_url("127.0.0.1", 8000), "http://127.0.0.1:8000");
  EXPECT_EQ(server_url("http://127.0.0.1", 8000), "http://127.0.0.1:8000");
  EXPECT_EQ(server_url("https://gpu7/", 8000), "https://gpu7:8000");
  EXPECT_EQ(server_url("http://gpu7:9", 8000), "http://gpu7:9");
  EXPECT_EQ(server_url("https://gpu7/behind/proxy", 8000), "https://gpu7/behind/proxy");
  EXPECT_EQ(server_url("::1", 8000), "http://[::1]:8000");
  EXPECT_EQ(server_url("https://gpu7/behind/proxy//", 8000), "https://gpu7/behind/proxy");
  EXPECT_EQ(without_end_slashes("http://gpu7:9//"), "http://gpu7:9");
  EXPECT_EQ(server_url("http://[::1]", 8000), "http://[::1]:8000");
}

TEST(UrlTest, TakesItsPartsApart) {
  const auto full = parse_url("http://host:81/a/b?c=d#e");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->host, "host");
  EXPECT_EQ(full->port, "81");
  EXPECT_EQ(full->target, "/a/b?c=d");
  EXPECT_EQ(full->authority, "host:81");
  EXPECT_EQ(parse_url("http://host")->target, "/");
  EXPECT_EQ(parse_url("http://host?x")->target, "/?x");
  EXPECT_EQ(parse_url("http://host/")->port, "80");
  EXPECT_FALSE(parse_url("http://host/")->tls);
  EXPECT_TRUE(parse_url("https://host/")->tls);
  EXPECT_EQ(parse_url("https://host/")->port, "443");
  EXPECT_EQ(parse_url("https://host:444/a")->origin(), "https://host:444");
  EXPECT_EQ(parse_url("http://[::1]:5/")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:5/")->port, "5");
}

TEST(UrlTest, SaysWhatIsWrong) {
  for (const char* bad : {"", "localhost:80", "https://", "http://", "http://:1", "http://h:x",
                          "http://h:123456", "http://[::1", "http://h/a b", "http://h/\r\nX: y"}) {
    const auto url = parse_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_THAT(url.error().message, AllOf(HasSubstr(bad), HasSubstr("http://host:port/path")));
  }
}

}  // namespace
}  // namespace glint
