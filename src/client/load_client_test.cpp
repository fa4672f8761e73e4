#include "client/load_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "http/server.h"
#include "http/sse.h"

namespace glint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LoadClientTest : public testing::Test {
 protected:
  void SetUp() override {
    router_.add("POST", "/events", [](std::shared_ptr<Exchange> exchange) {
      exchange->begin_stream(200, "text/event-stream");
      exchange->write(sse_event(cat(exchange->request().body, " 1")));
      exchange->write(std::string(kSsePing) + sse_event(cat(exchange->request().body, " 2")));
      exchange->end_stream();
    });
    router_.add("POST", "/whole", [](std::shared_ptr<Exchange> exchange) {
      exchange->respond({.body = cat(exchange->request().header("X-Name"), "!")});
    });
    auto server = HttpServer::listen({.port = 0}, std::move(router_));
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->start();
    connect(server_->port());
  }

  void connect(int port) {
    auto client = LoadClient::create(*parse_url(cat("http://127.0.0.1:", port, "/")), clock_);
    ASSERT_TRUE(client) << client.error().message;
    client_ = std::move(*client);
  }

  struct Seen {
    std::vector<std::string> events;
    std::optional<Result<void>> end;
  };
  LoadClient::Answer into(Seen& seen) {
    return {.on_event = [&](std::string_view data, double) { seen.events.emplace_back(data); },
            .on_end = [&](Result<void> result, double) { seen.end = std::move(result); }};
  }

  const SteadyClock clock_;
  Router router_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<LoadClient> client_;
};

TEST_F(LoadClientTest, ManyStreamsAtOnce) {
  std::vector<Seen> seen(100);
  std::vector<std::string> bodies;
  for (size_t i = 0; i < seen.size(); ++i) bodies.push_back(cat("body", i));
  for (size_t i = 0; i < seen.size(); ++i) client_->post("/events", {}, bodies[i], into(seen[i]));
  client_->run();
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_THAT(seen[i].events, ElementsAre(bodies[i] + " 1", bodies[i] + " 2"));
    ASSERT_TRUE(seen[i].end.has_value());
    EXPECT_TRUE(*seen[i].end);
  }
}

TEST_F(LoadClientTest, AWholeAnswerIsOneEvent) {
  Seen seen;
  client_->post("/whole", {{"X-Name", "you"}}, "{}", into(seen));
  client_->run();
  EXPECT_THAT(seen.events, ElementsAre("you!"));
}

TEST_F(LoadClientTest, AnErrorStatusIsAnErrorWithItsBody) {
  Seen seen;
  client_->post("/nowhere", {}, "{}", into(seen));
  client_->run();
  ASSERT_TRUE(seen.end.has_value() && !*seen.end);
  EXPECT_THAT(seen.end->error().message, HasSubstr("404"));
  EXPECT_THAT(seen.events, ElementsAre());
}

TEST_F(LoadClientTest, NobodyThereIsAnError) {
  server_->shutdown(/*grace_s=*/0);
  server_.reset();
  Seen seen;
  client_->post("/events", {}, "{}", into(seen));
  client_->run();
  ASSERT_TRUE(seen.end.has_value() && !*seen.end);
  EXPECT_THAT(seen.end->error().message, HasSubstr("Cannot connect"));
}

TEST_F(LoadClientTest, StopDropsWhatIsInTheFuture) {
  bool ran = false;
  client_->after(3600, [&] { ran = true; });
  client_->after(0, [&] { client_->stop(); });
  client_->run();
  EXPECT_FALSE(ran);
}

// The next request of a closed loop begins where the last one ended.
TEST_F(LoadClientTest, RequestsBeginInCallbacksAndTimers) {
  Seen first, second;
  LoadClient::Answer answer = into(first);
  answer.on_end = [&](Result<void>, double) { client_->post("/events", {}, "b", into(second)); };
  client_->after(0, [&] { client_->post("/events", {}, "a", std::move(answer)); });
  client_->run();
  EXPECT_THAT(first.events, ElementsAre("a 1", "a 2"));
  EXPECT_THAT(second.events, ElementsAre("b 1", "b 2"));
}

}  // namespace
}  // namespace glint
