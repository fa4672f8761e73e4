#include "http/exchange.h"

#include <utility>

namespace glint {
namespace {

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

void append_response(std::string& out, const HttpResponse& response, ResponseHead head,
                     bool with_body) {
  head.status = response.status;
  head.content_type = response.content_type;
  head.content_length = response.body.size();
  head.framing = status_has_body(response.status) ? Framing::kLength : Framing::kNoBody;
  append_response_head(out, head, response.headers);
  if (with_body && head.framing == Framing::kLength) out += response.body;
}

ConnectionExchange::ConnectionExchange(std::shared_ptr<Connection> connection, HttpRequest request,
                                       uint64_t id, bool http_1_0)
    : connection_(std::move(connection)),
      request_(std::move(request)),
      id_(id),
      http_1_0_(http_1_0) {}

ConnectionExchange::~ConnectionExchange() {
  if (state_ == State::kComplete || state_ == State::kGone) return;
  connection_->post([connection = connection_, id = id_, begun = state_ == State::kStreaming] {
    connection->abandoned(id, begun);
  });
}

void ConnectionExchange::respond(HttpResponse response) {
  if (state_ == State::kGone) return;
  CHECK(state_ == State::kUnanswered, request_.path, " answered twice");
  add_request_id(response.headers);
  append_response(connection_->output(), response,
                  {.keep_alive = connection_->may_keep_alive(), .http_1_0 = http_1_0_}, !is_head());
  complete();
}

void ConnectionExchange::begin_stream(int status, std::string content_type,
                                      std::vector<std::pair<std::string, std::string>> headers) {
  if (state_ == State::kGone) return;
  CHECK(state_ == State::kUnanswered, request_.path, " answered twice");
  if (http_1_0_) connection_->close_after_answer();
  add_request_id(headers);
  append_response_head(connection_->output(),
                       {.status = status,
                        .content_type = content_type,
                        .framing = http_1_0_ ? Framing::kUntilClose : Framing::kChunked,
                        .keep_alive = connection_->may_keep_alive(),
                        .http_1_0 = http_1_0_},
                       headers);
  state_ = State::kStreaming;
}

// Proxies and clients find their request again by it.
void ConnectionExchange::add_request_id(
    std::vector<std::pair<std::string, std::string>>& headers) const {
  const std::string_view id = request_id(request_);
  if (!id.empty()) headers.emplace_back("X-Request-Id", id);
}

void ConnectionExchange::write(std::string bytes) {
  if (state_ == State::kGone) return;
  CHECK(state_ == State::kStreaming, request_.path, ": write outside of a stream");
  if (bytes.empty() || is_head()) return;
  if (http_1_0_) {
    connection_->output() += bytes;
  } else {
    append_chunk(connection_->output(), bytes);
  }
}

void ConnectionExchange::end_stream() {
  if (state_ == State::kGone) return;
  CHECK(state_ == State::kStreaming, request_.path, ": the end of no stream");
  if (!http_1_0_ && !is_head()) connection_->output() += kLastChunk;
  complete();
}

bool ConnectionExchange::writable() const {
  return state_ == State::kGone || connection_->writable();
}

void ConnectionExchange::on_writable(std::function<void()> callback) {
  if (state_ != State::kGone) on_writable_ = std::move(callback);
}

void ConnectionExchange::on_disconnect(std::function<void()> callback) {
  if (state_ == State::kGone) return post(std::move(callback));
  if (state_ != State::kComplete) on_disconnect_ = std::move(callback);
}

void ConnectionExchange::after(double seconds, std::function<void()> work) {
  if (state_ == State::kUnanswered || state_ == State::kStreaming) {
    connection_->after(seconds, std::move(work));
  }
}

void ConnectionExchange::post(std::function<void()> work) { connection_->post(std::move(work)); }

// The callbacks go with the answer: they may hold the exchange itself.
void ConnectionExchange::complete() {
  state_ = State::kComplete;
  const auto dropped_last =
      std::pair{std::exchange(on_writable_, nullptr), std::exchange(on_disconnect_, nullptr)};
  connection_->answered();
}

void ConnectionExchange::client_gone() {
  if (state_ == State::kComplete || state_ == State::kGone) return;
  state_ = State::kGone;
  on_writable_ = nullptr;
  if (const auto callback = std::exchange(on_disconnect_, nullptr)) callback();
}

void ConnectionExchange::became_writable() {
  // A copy: the callback may replace or drop itself.
  if (const auto callback = on_writable_; callback) callback();
}

void ConnectionExchange::handler_failed() {
  if (state_ == State::kUnanswered) {
    respond(connection_->router().error(500, "The server failed at this request; see its log."));
  } else if (state_ == State::kStreaming) {
    connection_->cut();
  }
}

}  // namespace glint
