#include "api/operator/control.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/errors.h"
#include "api/request_fields.h"
#include "api/responses.h"
#include "base/log.h"

namespace glint {
namespace {

constexpr double kFlushRetry_s = 0.05;

Result<Json> optional_body(const HttpRequest& http) {
  if (http.body.empty()) return Json(Json::object());
  return parse_request_body(http.header("Content-Type"), http.body);
}

// Answers a command of the engine, on the connection's strand.
std::function<void(Result<void>)> answer_with(std::shared_ptr<Exchange> exchange,
                                              HttpResponse response) {
  return [exchange = std::move(exchange), response = std::move(response)](Result<void> done) {
    HttpResponse answer = done ? response : error_response(done.error());
    exchange->post(
        [exchange, answer = std::move(answer)]() mutable { exchange->respond(std::move(answer)); });
  };
}

// ---- flush

Result<double> parse_timeout(const HttpRequest& http) {
  const std::string_view text = http.query_value("timeout");
  if (text.empty()) return 0.0;
  double seconds = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (status == std::errc() && end == text.data() + text.size() && seconds >= 0 && seconds < 1e9)
    return seconds;
  return Error{ErrorCode::kInvalidRequest,
               cat("timeout is ", text, "; expected seconds, 0 or more."), "timeout"};
}

void flush_until(ServerContext& context, std::shared_ptr<Exchange> exchange, double deadline_s) {
  const auto done = [&context, exchange, deadline_s](const Result<void>& flushed) {
    if (flushed) return exchange->respond(text_response(200, "Cache flushed.\n"));
    if (context.clock.now_s() >= deadline_s)
      return exchange->respond(error_response(flushed.error()));
    exchange->after(kFlushRetry_s, [&context, exchange, deadline_s] {
      flush_until(context, exchange, deadline_s);
    });
  };
  context.engine.flush_cache([exchange, done](Result<void> flushed) {
    exchange->post([done, flushed = std::move(flushed)] { done(flushed); });
  });
}

// ---- abort

int abort_all(ServerContext& context, std::string_view prefix) {
  const std::vector<RequestId> ids = context.running.find(prefix);
  for (const RequestId id : ids) context.engine.cancel(id);
  return static_cast<int>(ids.size());
}

Result<int> abort_requests(ServerContext& context, const HttpRequest& http) {
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  const RequestFields fields(body);
  const std::vector<std::string> prefixes = TRY(fields.strings("rid"));
  if (TRY(fields.boolean("abort_all")).value_or(false)) return abort_all(context, "");
  int num_aborted = 0;
  for (const std::string& prefix : prefixes)
    if (!prefix.empty()) num_aborted += abort_all(context, prefix);
  return num_aborted;
}

// ---- pause

enum class PauseMode { kAbort, kInPlace };

Result<PauseMode> parse_pause_mode(const HttpRequest& http) {
  const Json body = TRY(optional_body(http));
  const RequestFields fields(body);
  const std::string mode = TRY(fields.string("mode")).value_or("abort");
  if (mode == "abort") return PauseMode::kAbort;
  // Pages are freed only where something needs them: to the client there is no difference.
  if (mode == "in_place" || mode == "retract") return PauseMode::kInPlace;
  return fields.refuse("mode", "abort, in_place or retract");
}

HttpResponse said(const char* message) {
  return json_response({{"status", "ok"}, {"message", message}});
}

}  // namespace

void handle_flush_cache(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<double> timeout_s = parse_timeout(exchange->request());
  if (!timeout_s) return exchange->respond(error_response(timeout_s.error()));
  flush_until(context, std::move(exchange), context.clock.now_s() + *timeout_s);
}

void handle_abort_request(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<int> num_aborted = abort_requests(context, exchange->request());
  if (!num_aborted) return exchange->respond(error_response(num_aborted.error()));
  exchange->respond(json_response({{"num_aborted", *num_aborted}}));
}

void handle_pause_generation(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<PauseMode> mode = parse_pause_mode(exchange->request());
  if (!mode) return exchange->respond(error_response(mode.error()));
  // Commands are taken in order: once the pause is answered, the aborted ones have ended.
  if (*mode == PauseMode::kAbort) abort_all(context, "");
  log_info("generation is paused");
  context.engine.pause(answer_with(std::move(exchange), said("Generation is paused.")));
}

void handle_continue_generation(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  log_info("generation goes on");
  context.engine.resume(answer_with(std::move(exchange), said("Generation goes on.")));
}

void handle_no_op(ServerContext&, std::shared_ptr<Exchange> exchange) {
  const std::string message =
      cat(exchange->request().path, " has no meaning on this server: nothing was done.");
  exchange->respond(json_response({{"done", false}, {"message", message}}));
}

}  // namespace glint
