// Bytes from a client through connection, parser, router and all endpoints to the engine, and the
// answers back: each request gets one, in order, however its bytes came.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/routes.h"
#include "base/json.h"
#include "client/response_parser.h"
#include "http/sse.h"
#include "tests/fuzz/connection_client.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/null_server_parts.h"

namespace glint {
namespace {

constexpr HttpLimits kLimits{.max_body_bytes = 16 << 10, .max_header_bytes = 2 << 10};

struct Server {
  NullServerParts parts;
  std::shared_ptr<ServerCore> core =
      std::make_shared<ServerCore>(kLimits, make_router(parts.context()), 1);
};

// What the input asks for: the methods of its requests, as far as they can be told apart.
struct Asked {
  std::vector<std::string> methods;
  // What follows them is no request. A header that never ends may be refused or waited for, as its
  // bytes come; a whole one is refused.
  bool may_refuse = false, must_refuse = false;
};

Asked requests_in(std::string_view bytes) {
  Asked asked;
  while (!bytes.empty()) {
    while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);  // empty lines before a request
    RequestParser parser(kLimits);
    const bool has_header = bytes.find("\r\n\r\n") != bytes.npos;
    bytes.remove_prefix(parser.put(bytes));
    asked.may_refuse = parser.failure().has_value();
    asked.must_refuse = asked.may_refuse && has_header;
    if (!parser.done()) break;
    const bool keep_alive = parser.keep_alive();
    asked.methods.push_back(parser.take().method);
    if (!keep_alive) break;
  }
  return asked;
}

struct Answered {
  int status = 0;
  std::string content_type;
  bool keep_alive = false;
  bool operator==(const Answered&) const = default;
};

// OpenAI's last event but for Responses is no JSON; Anthropic's and Responses' name their own.
bool is_last(const Json& event) {
  constexpr std::string_view kLast[] = {"message_stop", "error", "response.completed",
                                        "response.incomplete", "response.failed"};
  return event == "[DONE]" || std::ranges::count(kLast, event.value("type", "")) == 1;
}

void check_events(std::string_view body) {
  std::vector<Json> events;
  SseParser parser([&](const SseEvent& event) {
    if (event.data == "[DONE]") return events.push_back(event.data);
    auto parsed = parse_json(event.data);
    CHECK(parsed, "no JSON: ", event.data);
    events.push_back(*std::move(parsed));
  });
  parser.put(body);
  CHECK(!events.empty() && is_last(events.back()), "the stream's end is missing: ", body);
  events.pop_back();
  CHECK(std::ranges::count(events, Json("[DONE]")) == 0, "events after the end: ", body);
}

void check_body(const Answered& answer, std::string_view body) {
  if (answer.content_type.starts_with("application/json") && !body.empty())
    CHECK(parse_json(body), "no JSON: ", body);
  if (answer.content_type.starts_with("text/event-stream")) check_events(body);
}

// Takes one answer off `bytes`.
Answered take_answer(std::string_view& bytes, bool to_head, bool& interim) {
  std::string body;
  ResponseParser parser([&](std::string_view piece) { body += piece; });
  const size_t header_bytes = bytes.find("\r\n\r\n");
  CHECK(header_bytes != bytes.npos, "half an answer: ", bytes);
  const auto header = parser.put(bytes.substr(0, header_bytes + 4));
  CHECK(header && parser.header_done(), "no HTTP/1.1: ", bytes);
  bytes.remove_prefix(*header);
  const HttpResponse& response = parser.response();
  interim = response.status < 200;
  if (!to_head && !parser.done()) {
    const auto used = parser.put(bytes);
    CHECK(used && (parser.done() || parser.end_of_stream()), "a body cut short: ", bytes);
    bytes.remove_prefix(*used);
  }
  const Answered answer{response.status, response.content_type, parser.keep_alive()};
  CHECK(answer.status < 500 || answer.status == 501, "status ", answer.status, ": ", body);
  check_body(answer, body);
  return answer;
}

std::vector<Answered> answers_in(std::string_view bytes, const Asked& asked) {
  std::vector<Answered> answers;
  while (!bytes.empty()) {
    const size_t at = answers.size();
    const bool to_head = at < asked.methods.size() && asked.methods[at] == "HEAD";
    bool interim = false;  // 100 Continue: whether it is sent depends on how the bytes came
    const Answered answer = take_answer(bytes, to_head, interim);
    if (!interim) answers.push_back(answer);
  }
  return answers;
}

void check_count(const std::vector<Answered>& answers, const Asked& asked) {
  const size_t num_requests = asked.methods.size();
  CHECK(answers.size() <= num_requests + (asked.may_refuse ? 1 : 0), answers.size(), " answers to ",
        num_requests, " requests");
  const bool closed = !answers.empty() && !answers.back().keep_alive;
  CHECK(closed || answers.size() >= num_requests + (asked.must_refuse ? 1 : 0), answers.size(),
        " answers to ", num_requests, " requests");
}

std::vector<Answered> send(Server& server, std::string_view input, Cut cut, const Asked& asked) {
  ConnectionClient client(server.core, server.parts.engine());
  for (const std::string_view piece : cut_bytes(input, cut)) client.send(piece);
  client.close();
  CHECK(client.connection_is_gone(), "the connection is still there");
  const EngineStats stats = server.parts.engine().stats();
  CHECK(stats.num_running_requests == 0 && stats.num_queued_requests == 0,
        "requests without a client");
  auto answers = answers_in(client.received(), asked);
  check_count(answers, asked);
  if (!asked.must_refuse) answers.resize(std::min(answers.size(), asked.methods.size()));
  return answers;
}

}  // namespace

void check_input(std::string_view input) {
  static Server server;
  const Asked asked = requests_in(input);
  const auto whole = send(server, input, Cut::kWhole, asked);
  const auto cut_up = send(server, input, Cut::kAnywhere, asked);
  CHECK(cut_up == whole, cut_up.size(), " answers to bytes that came in pieces, ", whole.size(),
        " else");
}

}  // namespace glint
