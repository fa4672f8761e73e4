#include "api/responses/response_writer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "api/errors.h"
#include "http/sse.h"

namespace glint {
namespace {

Json usage_json(const Usage& usage, int reasoning_tokens) {
  return {
      {"input_tokens", usage.prompt_tokens},
      {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", 0}}},
      {"output_tokens", usage.completion_tokens},
      {"output_tokens_details", {{"reasoning_tokens", reasoning_tokens}}},
      {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

Json server_error(const std::string& message) {
  return {{"code", "server_error"}, {"message", message}};
}

class ResponseWriter final : public AnswerWriter {
 public:
  ResponseWriter(ServerContext& context, std::shared_ptr<Exchange> exchange,
                 ResponseRequest request, const OutputParserOptions& parser,
                 std::function<void()> stop)
      : context_(context),
        exchange_(std::move(exchange)),
        request_(std::move(request)),
        stop_(std::move(stop)),
        output_(parser, ReasoningTokens(*context.tokenizer), request_.chat.one_call_only()),
        items_(context, request_.output, request_.chat.stream ? &events_ : nullptr,
               parser.starts_in_reasoning) {}

  void begin() override;
  bool write(int choice, ChoiceDelta delta) override;
  void ping() override {
    if (request_.chat.stream) exchange_->write(std::string(kSsePing));
  }
  void end() override { finish(); }
  void fail(const Error& error) override;

 private:
  Json body() const;
  void announce(const std::string& step);
  void start();
  void finish();
  void set_outcome(const ChoiceDelta& last);
  void flush(bool last = false);

  ServerContext& context_;
  std::shared_ptr<Exchange> exchange_;
  const ResponseRequest request_;
  const std::function<void()> stop_;
  EventWriter events_;
  ChatOutput output_;
  OutputItems items_;

  bool started_ = false;
  std::string status_ = "in_progress";
  Json error_ = nullptr, incomplete_details_ = nullptr, usage_ = nullptr, completed_at_ = nullptr;
};

Json ResponseWriter::body() const {
  Json body = {{"id", request_.chat.id},
               {"object", "response"},
               {"created_at", request_.created_s},
               {"status", status_},
               {"background", request_.background},
               {"completed_at", completed_at_},
               {"error", error_},
               {"incomplete_details", incomplete_details_},
               {"model", request_.chat.model},
               {"output", items_.items()}};
  body.update(request_.echo);
  body["usage"] = usage_;
  return body;
}

void ResponseWriter::announce(const std::string& step) {
  events_.add("response." + step, {{"response", body()}});
}

void ResponseWriter::begin() {
  if (request_.background) {
    status_ = "queued";
    context_.responses.add({.id = request_.chat.id,
                            .body = body(),
                            .input = request_.items,
                            .background = true,
                            .streamed = request_.chat.stream,
                            .finished = false,
                            .cancel = stop_});
  }
  if (!request_.chat.stream) return;
  exchange_->begin_stream(200, "text/event-stream");
  announce("created");
  announce(status_);
  flush();
}

void ResponseWriter::flush(bool last) {
  const std::string events = events_.take();
  if (request_.background) context_.responses.add_events(request_.chat.id, events, last);
  exchange_->write(events);
}

// The first token is there.
void ResponseWriter::start() {
  if (std::exchange(started_, true) || !request_.background) return;
  status_ = "in_progress";
  if (request_.chat.stream) announce(status_);
  context_.responses.update(request_.chat.id, body(), false);
}

bool ResponseWriter::write(int, ChoiceDelta delta) {
  start();
  const std::vector<OutputEvent> events = output_.append(delta);
  const size_t num_done = items_.items().size();
  items_.append(delta, events);
  usage_ = usage_json(delta.usage, output_.reasoning_tokens());
  const bool complete = delta.finish || output_.cut();
  if (complete) {
    set_outcome(delta);
  } else if (request_.background && items_.items().size() > num_done) {
    context_.responses.update(request_.chat.id, body(), false);
  }
  if (request_.chat.stream && !complete) flush();
  return complete;
}

void ResponseWriter::set_outcome(const ChoiceDelta& last) {
  const bool natural = output_.cut() || last.finish->reason == FinishReason::kStop;
  items_.finish(!natural);
  if (natural) {
    status_ = "completed";
    completed_at_ = unix_time_s();
  } else if (last.finish->reason == FinishReason::kLength) {
    status_ = "incomplete";
    incomplete_details_ = {{"reason", "max_output_tokens"}};
  } else {
    status_ = "failed";
    error_ = server_error("The server ended this answer before it was complete.");
  }
}

void ResponseWriter::finish() {
  const Json whole = body();
  if (request_.background) {
    context_.responses.update(request_.chat.id, whole, true);
  } else if (request_.store) {
    context_.responses.add({.id = request_.chat.id, .body = whole, .input = request_.items});
  }
  if (request_.chat.stream) {
    announce(status_);
    flush(true);
    exchange_->end_stream();
  } else if (!request_.background) {
    exchange_->respond({.status = 200, .body = to_json_text(whole)});
  }
}

void ResponseWriter::fail(const Error& error) {
  if (!request_.chat.stream && !request_.background)
    return exchange_->respond(error_response(error));
  items_.finish(true);
  status_ = "failed";
  error_ = server_error(error.message);
  finish();
}

}  // namespace

std::unique_ptr<AnswerWriter> make_response_writer(ServerContext& context,
                                                   std::shared_ptr<Exchange> exchange,
                                                   ResponseRequest request,
                                                   const OutputParserOptions& parser,
                                                   std::function<void()> stop) {
  return std::make_unique<ResponseWriter>(context, std::move(exchange), std::move(request), parser,
                                          std::move(stop));
}

}  // namespace glint
