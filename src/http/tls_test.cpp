// The server over TLS, and the files it takes.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <array>

#include "http/raw_client.h"
#include "http/server_fixture.h"
#include "http/tls_session.h"
#include "http/tls_test_files.h"

namespace glint {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

using ContextPointer = std::shared_ptr<const TlsContext>;

// A client that waits, for at most 20 s, wherever it has to.
class TlsClient final : public TextReader {
 public:
  TlsClient(uint16_t port, ContextPointer context, const std::string& host = "localhost")
      : context_(std::move(context)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    fcntl(fd_, F_SETFL, O_NONBLOCK);
    session_.emplace(TlsSession::connect(*context_, fd_, host));
    IoState state = session_->handshake();
    while (wait(state)) state = session_->handshake();
    connected_ = state == IoState::kDone;
  }
  ~TlsClient() override { close(); }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const { return connected_; }
  std::string failure() const { return session_->failure(); }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto [state, size] = session_->write(bytes);
      bytes.remove_prefix(size);
      if (state != IoState::kDone && !wait(state)) return;
    }
  }
  bool ended_properly() const { return last_ == IoState::kEnd; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  bool wait(IoState state) {
    if (state != IoState::kWantsRead && state != IoState::kWantsWrite) return false;
    pollfd polled{fd_, static_cast<short>(state == IoState::kWantsRead ? POLLIN : POLLOUT), 0};
    const bool ready = poll(&polled, 1, 20'000) == 1;
    EXPECT_TRUE(ready) << "nothing happened for 20 s";
    return ready;
  }
  bool receive() override {
    std::array<char, 16 << 10> buffer;
    const auto [state, size] = session_->read(buffer);
    last_ = state;
    received_.append(buffer.data(), size);
    return state == IoState::kDone || wait(state);
  }
  ContextPointer context_;
  int fd_;
  std::optional<TlsSession> session_;
  bool connected_ = false;
  IoState last_ = IoState::kDone;
};

class TlsTest : public ServerTest {
 protected:
  void start_tls(HttpLimits limits = {}, bool client_certificates = false) {
    TlsFiles files = files_.server();
    if (client_certificates) files.ca_certs = files_.path("ca.pem");
    start(limits, 2, files);
    trust_ = *TlsContext::for_client(files_.path("ca.pem"));
  }
  TlsClient client() { return TlsClient(server_->port(), trust_); }

  TlsTestFiles files_;
  ContextPointer trust_;
};

TEST_F(TlsTest, AnswersManyRequestsOnOneConnection) {
  start_tls();
  TlsClient one = client();
  ASSERT_TRUE(one.connected()) << one.failure();
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += post("/echo", cat("body ", i));
  one.send(requests);
  for (int i = 0; i < 500; ++i) EXPECT_THAT(one.read_response(), EndsWith(cat("\r\n\r\nbody ", i)));
}

TEST_F(TlsTest, EveryByteOfALargeBodyComesBack) {
  start_tls();
  std::string body(size_t{8} << 20, 'x');
  for (size_t i = 0; i < body.size(); i += 97) body[i] = static_cast<char>('a' + i % 23);
  TlsClient one = client();
  one.send(post("/echo", body));
  EXPECT_TRUE(one.read_response().ends_with(body));
}

TEST_F(TlsTest, ConnectionsAtOnceAreIndependent) {
  start_tls();
  std::vector<std::unique_ptr<TlsClient>> clients;
  for (int i = 0; i < 100; ++i)
    clients.push_back(std::make_unique<TlsClient>(server_->port(), trust_));
  for (int i = 0; i < 100; ++i) clients[static_cast<size_t>(i)]->send(post("/echo", cat(i)));
  for (int i = 99; i >= 0; --i)
    EXPECT_THAT(clients[static_cast<size_t>(i)]->read_response(), EndsWith(cat("\r\n\r\n", i)));
}

TEST_F(TlsTest, AStreamIsSentAsItIsWrittenAndEndsProperly) {
  start_tls();
  TlsClient one = client();
  one.send("GET /wait HTTP/1.0\r\n\r\n");
  const auto exchange = next_waiting();
  on_strand(exchange, [&] {
    exchange->begin_stream(200, "text/plain");
    exchange->write("first;");
  });
  EXPECT_THAT(one.read_until("first;"), EndsWith("first;"));
  on_strand(exchange, [&] {
    exchange->write("last");
    exchange->end_stream();
  });
  EXPECT_EQ(one.read_to_end(), "last");
  EXPECT_TRUE(one.ended_properly());
}

TEST_F(TlsTest, AClientThatLeavesIsNoticed) {
  start_tls();
  TlsClient one = client();
  one.send(get("/wait"));
  const auto exchange = next_waiting();
  one.close();
  expect_gone();
}

// What the client has not read is not lost in TLS's buffers, and does not grow without end.
TEST_F(TlsTest, ASlowReaderPausesTheHandlerAndGetsEverything) {
  start_tls({.max_unsent_bytes = 100'000});
  TlsClient one = client();
  one.send("GET /wait HTTP/1.0\r\n\r\n");
  const auto exchange = next_waiting();
  constexpr int kBlocks = 2000;
  int written = 0;
  bool paused = false;
  const auto fill = [&] {
    while (written < kBlocks && exchange->writable()) {
      exchange->write(std::string(10'000, static_cast<char>('a' + written++ % 26)));
    }
    paused |= !exchange->writable();
    if (written == kBlocks) exchange->end_stream();
  };
  on_strand(exchange, [&] {
    exchange->begin_stream(200, "text/plain");
    exchange->on_writable(fill);
    fill();
  });
  one.read_until("\r\n\r\n");
  const std::string body = one.read_to_end();
  ASSERT_EQ(body.size(), size_t{kBlocks} * 10'000);
  for (int i = 0; i < kBlocks; ++i)
    ASSERT_EQ(body[static_cast<size_t>(i) * 10'000 + 9'999], static_cast<char>('a' + i % 26)) << i;
  EXPECT_TRUE(paused);
}

TEST_F(TlsTest, PlainHttpIsToldToUseHttps) {
  start_tls();
  RawClient plain = connect();
  plain.send(post("/echo", "secret"));
  EXPECT_THAT(plain.read_to_end(), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("https://")));
}

TEST_F(TlsTest, NoiseIsCut) {
  start_tls();
  RawClient noise = connect();
  noise.send(std::string(1000, '\x7f'));
  EXPECT_EQ(noise.read_to_end().find("HTTP/"), std::string::npos);
}

TEST_F(TlsTest, AHandshakeThatDoesNotEndTimesOut) {
  start_tls({.handshake_timeout_s = 0.05});
  RawClient silent = connect();
  EXPECT_EQ(silent.read_to_end(), "");
  RawClient begun = connect();
  begun.send(std::string_view("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_EQ(begun.read_to_end(), "");
}

TEST_F(TlsTest, SilenceAfterTheHandshakeTimesOutAsWithoutTls) {
  start_tls({.header_timeout_s = 0.05, .idle_timeout_s = 1});
  TlsClient idle = client();
  ASSERT_TRUE(idle.connected());
  EXPECT_EQ(idle.read_to_end(), "");
  TlsClient slow = client();
  slow.send("GET / HTTP/1.1\r\nHost: ");
  EXPECT_THAT(slow.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(TlsTest, UnfinishedHandshakesCountAsConnections) {
  start_tls({.max_connections = 1});
  RawClient silent = connect();
  while (server_->num_connections() < 1) std::this_thread::yield();
  TlsClient over = client();
  over.send(post("/echo", "x"));
  EXPECT_THAT(over.read_response(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(TlsTest, AShutdownDoesNotWaitForHandshakes) {
  start_tls();
  RawClient silent = connect();
  while (server_->num_connections() < 1) std::this_thread::yield();
  server_->shutdown(1e6);
  EXPECT_EQ(silent.read_to_end(), "");
}

TEST_F(TlsTest, OnlyTheRightNameAndAuthorityAreTrusted) {
  start_tls();
  EXPECT_TRUE(TlsClient(server_->port(), trust_, "127.0.0.1").connected());
  TlsClient other_name(server_->port(), trust_, "example.com");
  EXPECT_THAT(other_name.failure(), HasSubstr("hostname mismatch"));
  const auto distrust = *TlsContext::for_client(files_.path("other-ca.pem"));
  TlsClient stranger(server_->port(), distrust);
  EXPECT_FALSE(stranger.connected());
  EXPECT_THAT(stranger.failure(), HasSubstr("unable to get local issuer certificate"));
}

TEST_F(TlsTest, ClientCertificatesAreWantedIfAnAuthorityIsGiven) {
  start_tls({}, true);
  TlsClient none = client();
  none.send(post("/echo", "x"));
  EXPECT_EQ(none.read_response(), "");
  SSL_CTX_use_certificate_file(trust_->get(), files_.path("client.pem").c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_use_PrivateKey_file(trust_->get(), files_.path("client.key").c_str(), SSL_FILETYPE_PEM);
  TlsClient known = client();
  known.send(post("/echo", "x"));
  EXPECT_THAT(known.read_response(), EndsWith("\r\n\r\nx"));
}

TEST_F(TlsTest, ReloadGivesNewConnectionsTheNewCertificate) {
  start_tls();
  TlsClient old = client();
  old.send(get("/wait"));
  const auto exchange = next_waiting();
  files_.openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
      "-subj /CN=other -addext subjectAltName=DNS:localhost "
      "-keyout server.key -out server.pem");
  EXPECT_TRUE(client().connected());  // not read yet
  ASSERT_TRUE(server_->reload_tls());
  EXPECT_FALSE(client().connected());  // signed by itself: the new one
  on_strand(exchange, [&] { exchange->respond({.body = "still here"}); });
  EXPECT_THAT(old.read_response(), EndsWith("still here"));
}

TEST_F(TlsTest, ABadFileKeepsTheCertificate) {
  start_tls();
  files_.write("server.pem", "no certificate\n");
  const auto reloaded = server_->reload_tls();
  ASSERT_FALSE(reloaded);
  EXPECT_THAT(reloaded.error().message, AllOf(HasSubstr("server.pem"), HasSubstr("PEM")));
  EXPECT_TRUE(client().connected());
}

TEST(TlsFilesTest, WrongFilesAreSentences) {
  TlsTestFiles made;
  made.openssl("ec -in server.key -aes128 -passout pass:tiger -out locked.key");
  made.write("empty.pem", "");
  const auto message = [](const TlsFiles& files) {
    const auto context = TlsContext::for_server(files);
    return context ? std::string() : context.error().message;
  };
  const std::string cert = made.path("server.pem"), key = made.path("server.key");
  const auto with_key = [&](const std::string& name, const std::string& password) {
    return message({.certfile = cert, .keyfile = made.path(name), .keyfile_password = password});
  };
  EXPECT_EQ(message(made.server()), "");
  EXPECT_EQ(with_key("locked.key", "tiger"), "");
  EXPECT_THAT(with_key("locked.key", ""), HasSubstr("--ssl-keyfile-password"));
  EXPECT_THAT(with_key("locked.key", "lion"), HasSubstr("password"));
  EXPECT_THAT(with_key("locked.key", "lion"), testing::Not(HasSubstr("lion")));
  EXPECT_THAT(with_key("client.key", ""), HasSubstr("is not the key of the certificate"));
  EXPECT_THAT(with_key("none.key", ""), HasSubstr("No such file"));
  EXPECT_THAT(with_key("empty.pem", ""), HasSubstr("no PEM private key"));
  EXPECT_THAT(message({.certfile = made.path("empty.pem"), .keyfile = key}),
              HasSubstr("no PEM certificate"));
  EXPECT_THAT(message({.certfile = cert, .keyfile = key, .ca_certs = made.path("empty.pem")}),
              HasSubstr("--ssl-ca-certs"));
  EXPECT_THAT(HttpServer::listen({.port = 0, .tls = {.keyfile = key}}, Router()).error().message,
              HasSubstr("--ssl-certfile"));
}

}  // namespace
}  // namespace glint
