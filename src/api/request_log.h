#pragma once

// --log-requests: a line for each answer that is complete, and, by --log-requests-level,
//   1  what was asked for, as a line of numbers
//   2  the body and the answer's text too, each cut after 2,048 bytes
//   3  all of both
// What people write is in the log from 2 on only, and control characters are escaped there.

#include <string_view>
#include <vector>

#include "api/server_context.h"
#include "engine/event.h"
#include "engine/request.h"
#include "http/http.h"

namespace glint {

// `requests` are the sequences of one HTTP request.
void log_received(const ServerContext& context, const HttpRequest& http,
                  const std::vector<GenerateRequest>& requests);

// Whether log_done() wants the text of answers.
bool logs_answers(const ServerContext& context);

// One choice that is complete.
struct DoneAnswer {
  RequestId id = 0;
  std::string_view rid{};
  Usage usage{};
  double seconds = 0;
  std::string_view text{};
};
void log_done(const ServerContext& context, const HttpRequest& http, const DoneAnswer& done);

}  // namespace glint
