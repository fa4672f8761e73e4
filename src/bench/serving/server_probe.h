#pragma once

// What bench serving asks of the server beside the load itself.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "client/http_client.h"

namespace glint {

// Waits until GET /v1/models answers; its first model's id. The Error says how to start a server,
// and so does the sentence that `on_wait` gets, once, if the first try fails and others follow.
// 401, 403 and 404 end the wait: another try would be answered the same.
Result<std::string> wait_for_model(const std::string& base_url, const HttpClient::Headers& headers,
                                   double timeout_s,
                                   const std::function<void(const std::string&)>& on_wait);

// SGLang's GET /get_server_info; null where there is none.
Json server_info(const std::string& base_url, const HttpClient::Headers& headers);
// internal_states[0].avg_spec_accept_length: tokens of a speculative step.
std::optional<double> accept_length(const Json& info);

Result<void> flush_cache(const std::string& base_url, const HttpClient::Headers& headers);

// Counters of a glint server since its start, from /metrics; nothing from another server.
struct StepCounts {
  double steps = 0, seconds = 0, decode_rows = 0, prompt_tokens = 0;
};
struct ServerCounts {
  StepCounts decode{}, prompt{};  // steps that only decode; steps with parts of prompts
  double retractions = 0;
};
std::optional<ServerCounts> server_counts(const std::string& base_url,
                                          const HttpClient::Headers& headers);
std::optional<ServerCounts> parse_server_counts(std::string_view metrics);
ServerCounts operator-(const ServerCounts& after, const ServerCounts& before);

}  // namespace glint
