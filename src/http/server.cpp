#include "http/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <thread>
#include <vector>

#include "base/log.h"
#include "http/connection.h"

namespace glint {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

using Acceptor = asio::basic_socket_acceptor<tcp, Strand>;

// Connections over max_connections that are kept to be answered 503; more are closed at once.
constexpr int kMaxOverloaded = 256;
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

Error cannot_listen(const HttpServerOptions& options, const std::string& reason,
                    const std::string& remedy) {
  return {
      ErrorCode::kStartup,
      cat("Cannot listen on ", options.host, " port ", options.port, ": ", reason, ". ", remedy),
      {}};
}

Error bind_error(const HttpServerOptions& options, error_code ec) {
  const char* remedy = "Try another host or port.";
  if (ec == asio::error::address_in_use) {
    remedy = "Stop the program that has it, or choose another port (0: any free one).";
  } else if (ec == asio::error::access_denied) {
    remedy = "Choose a port above 1023, or run with the right to use this one.";
  } else if (ec == boost::system::errc::address_not_available) {
    remedy = "Use an address of this machine: 127.0.0.1 (local only) or 0.0.0.0 (all).";
  }
  return cannot_listen(options, ec.message(), remedy);
}

error_code open_listener(Acceptor& acceptor, const tcp::endpoint& endpoint) {
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  // "::" takes IPv4 too.
  if (!ec && endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  return ec;
}

Result<void> listen_on_first(Acceptor& acceptor, const HttpServerOptions& options) {
  error_code ec;
  tcp::resolver resolver(acceptor.get_executor().get_inner_executor());
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, ec);
  if (ec) {
    return cannot_listen(
        options, cat("the host is not known (", ec.message(), ")"),
        "Use an address of this machine: 127.0.0.1 (local only) or 0.0.0.0 (all).");
  }
  for (const auto& entry : found) {
    ec = open_listener(acceptor, entry.endpoint());
    if (!ec) return {};
    error_code ignored;
    acceptor.close(ignored);
  }
  return bind_error(options, ec);
}

// Null without a certificate.
Result<std::shared_ptr<const TlsContext>> load_tls(const TlsFiles& files) {
  if (files.enabled()) return TlsContext::for_server(files);
  if (files.keyfile.empty() && files.ca_certs.empty()) return std::shared_ptr<const TlsContext>();
  return Error{ErrorCode::kStartup,
               "--ssl-keyfile and --ssl-ca-certs need --ssl-certfile, the server's certificate.",
               {}};
}

// Each connection takes a file descriptor; most shells allow 1,024 of them, and more on request.
void raise_descriptor_limit(int num_connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto wanted = static_cast<rlim_t>(num_connections) + kMaxOverloaded + 256;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    log_warning("fewer connections than max_connections will fit: raise `ulimit -Hn`",
                {{"descriptors", limit.rlim_cur}, {"wanted", wanted}});
  }
}

}  // namespace

struct HttpServer::State {
  State(const HttpServerOptions& server_options, Router router)
      : options(server_options),
        core(std::make_shared<ServerCore>(options.limits, std::move(router), options.num_threads)),
        work(asio::make_work_guard(core->io)),
        acceptor(asio::make_strand(core->io)),
        pause(acceptor.get_executor()) {}

  void accept_next();
  void accepted(Socket socket);
  void accept_failed(error_code ec);
  std::shared_ptr<Connection> admit(Socket socket);
  void begin_draining();
  void wait_for_answers(double seconds);
  void close_port();
  std::vector<std::shared_ptr<Connection>> connections();
  void run_leftovers();

  const HttpServerOptions options;
  const std::shared_ptr<ServerCore> core;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  Acceptor acceptor;  // used on its strand, once threads run
  Timer pause;
  uint16_t port = 0;
  std::vector<std::thread> threads;
  bool stopped = false;
};

void HttpServer::State::accept_next() {
  if (!acceptor.is_open()) return;  // closed after the last one had come, and before this
  acceptor.async_accept(asio::make_strand(core->io), [this](error_code ec, Socket socket) {
    if (ec == asio::error::operation_aborted) return;
    if (ec) return accept_failed(ec);
    accepted(std::move(socket));
    accept_next();
  });
}

void HttpServer::State::accepted(Socket socket) {
  if (const auto connection = admit(std::move(socket))) connection->start();
}

std::shared_ptr<Connection> HttpServer::State::admit(Socket socket) {
  std::lock_guard lock(core->mutex);
  const int num_serving = static_cast<int>(core->connections.size()) - core->num_overloaded;
  const bool overloaded = num_serving >= options.limits.max_connections;
  if (!core->admits || (overloaded && core->num_overloaded >= kMaxOverloaded)) return nullptr;
  auto connection =
      std::make_shared<Connection>(core, std::move(socket), core->tls.get(), overloaded);
  core->connections.emplace(connection.get(), connection);
  core->num_overloaded += overloaded;
  return connection;
}

// Out of descriptors or memory: the connection stays in the kernel's queue and accept would fail
// again at once. Wait for others to close.
void HttpServer::State::accept_failed(error_code ec) {
  if (ec == asio::error::connection_aborted) return accept_next();
  log_warning("cannot accept a connection; trying again soon", {{"error", ec.message()}});
  pause.expires_after(kAcceptPause);
  pause.async_wait([this](error_code cancelled) {
    if (!cancelled) accept_next();
  });
}

// Connections that come from now on are not awaited.
void HttpServer::State::begin_draining() {
  {
    std::lock_guard lock(core->mutex);
    core->draining = true;
    for (const auto& [key, weak] : core->connections) core->awaited.insert(key);
  }
  for (const auto& connection : connections()) connection->drain();
}

void HttpServer::State::wait_for_answers(double seconds) {
  std::unique_lock lock(core->mutex);
  core->none_awaited.wait_for(lock, std::chrono::duration<double>(std::min(seconds, 1e6)),
                              [&] { return core->awaited.empty(); });
}

void HttpServer::State::close_port() {
  {
    std::lock_guard lock(core->mutex);
    core->admits = false;
  }
  asio::post(acceptor.get_executor(), [this] {
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
  });
}

std::vector<std::shared_ptr<Connection>> HttpServer::State::connections() {
  std::lock_guard lock(core->mutex);
  std::vector<std::shared_ptr<Connection>> alive;
  for (const auto& [key, weak] : core->connections) {
    if (auto connection = weak.lock()) alive.push_back(std::move(connection));
  }
  return alive;
}

// Work that was posted until now runs here, the threads being gone; later posts are dropped.
void HttpServer::State::run_leftovers() {
  {
    std::unique_lock lock(core->ending);
    core->ended = true;
  }
  core->io.restart();
  core->io.poll();
}

HttpServer::HttpServer() = default;
HttpServer::~HttpServer() { shutdown(0); }

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpServerOptions& options,
                                                       Router router) {
  CHECK(options.num_threads >= 1, "num_threads is ", options.num_threads);
  std::unique_ptr<HttpServer> server(new HttpServer);
  server->state_ = std::make_unique<State>(options, std::move(router));
  State& state = *server->state_;
  state.core->tls = TRY(load_tls(options.tls));
  TRY(listen_on_first(state.acceptor, options));
  state.port = state.acceptor.local_endpoint().port();
  raise_descriptor_limit(options.limits.max_connections);
  return server;
}

uint16_t HttpServer::port() const { return state_->port; }

void HttpServer::start() {
  asio::post(state_->acceptor.get_executor(), [state = state_.get()] { state->accept_next(); });
  for (int i = 0; i < state_->options.num_threads; ++i) {
    state_->threads.emplace_back([core = state_->core] { core->io.run(); });
  }
}

void HttpServer::set_router(Router router) { state_->core->set_router(std::move(router)); }

void HttpServer::shutdown(double grace_s) {
  if (state_->stopped) return;
  state_->stopped = true;
  state_->begin_draining();
  state_->wait_for_answers(grace_s);
  state_->close_port();
  for (const auto& connection : state_->connections()) connection->stop();
  state_->work.reset();
  for (std::thread& thread : state_->threads) thread.join();
  state_->run_leftovers();
}

Result<void> HttpServer::reload_tls() {
  auto tls = TRY(load_tls(state_->options.tls));
  std::lock_guard lock(state_->core->mutex);
  state_->core->tls = std::move(tls);
  return {};
}

int HttpServer::num_connections() const {
  std::lock_guard lock(state_->core->mutex);
  return static_cast<int>(state_->core->connections.size());
}

}  // namespace glint
