#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/json.h"
#include "client/http_client.h"
#include "eval/eval.h"

namespace glint {

// POSTs JSON and parses the answer; a status of 400 or more is an Error with its message.
Result<Json> post_json(HttpClient& client, const std::string& url, const Json& body);

// One answer: its text, reasoning, finish reason, number of tokens and latency; and all of it.
struct Reply {
  Judged answer;
  Json body;
};
Result<Reply> ask_generate(HttpClient& client, const std::string& url, const Json& body);
// `messages` and `more` fields, greedy or not and thinking or not as `options` say.
Result<Reply> ask_chat(HttpClient& client, const EvalOptions& options, const Json& messages,
                       const Json& more);

// model_path of /get_model_info, which SGLang's client asks for first; "" of a server without it.
std::string model_of(const std::string& url);

// How requests that do not depend on each other are made (EvalOptions).
struct AskOptions {
  int parallel;
  const EvalProgress& on_progress;
  const std::atomic<bool>* stop;
};
// Calls ask(client, i) for i = 0 … count-1 from `parallel` threads, each with its own connection.
// After the first Error no further request is begun, and that Error is returned; likewise once
// `stop` is true, which is no Error. `on_progress`, if there is one, is called by one thread at a
// time.
Result<void> ask_in_parallel(size_t count, const AskOptions& options,
                             const std::function<Result<void>(HttpClient&, size_t)>& ask);

// The same of questions, whose answers `report` gets, and the time they took.
Result<void> answer_all(size_t count, const EvalOptions& options,
                        const std::function<Result<Judged>(HttpClient&, size_t)>& ask,
                        EvalReport& report);

// Seconds on a clock that only goes forward.
double now_s();

}  // namespace glint
