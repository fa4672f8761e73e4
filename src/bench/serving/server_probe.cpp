#include "bench/serving/server_probe.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "client/refusal.h"

namespace glint {
namespace {

constexpr std::chrono::milliseconds kBetweenTries{500};

std::string first_model(const HttpResponse& response) {
  const Result<Json> models = parse_json(response.body);
  if (!models || !models->is_object() || !models->contains("data")) return "";
  const Json& data = (*models)["data"];
  if (!data.is_array() || data.empty() || !data[0].is_object()) return "";
  return data[0].value("id", "");
}

// A server that starts does not answer so.
bool is_final(int status) { return status == 401 || status == 403 || status == 404; }

Error refused(const std::string& base_url, const HttpResponse& response) {
  return {
      ErrorCode::kInternal, refusal(base_url + "/v1/models", response.status, response.body), {}};
}

// The value of a series without labels or with any: "name{…} 12".
std::optional<double> series(std::string_view metrics, std::string_view name) {
  for (size_t at = metrics.find(name); at != metrics.npos; at = metrics.find(name, at + 1)) {
    const size_t end = at + name.size();
    const bool begins_line = at == 0 || metrics[at - 1] == '\n';
    if (!begins_line || end >= metrics.size() || (metrics[end] != '{' && metrics[end] != ' '))
      continue;
    const std::string line(metrics.substr(at, metrics.find('\n', at) - at));
    return std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return std::nullopt;
}

StepCounts step_counts(std::string_view metrics, const std::string& kind) {
  const auto count = [&](const char* what) {
    return series(metrics, "glint_" + kind + "_steps" + what).value_or(0);
  };
  return {.steps = count("_total"),
          .seconds = count("_seconds_total"),
          .decode_rows = count("_decode_rows_total"),
          .prompt_tokens = count("_prompt_tokens_total")};
}

StepCounts difference(const StepCounts& a, const StepCounts& b) {
  return {a.steps - b.steps, a.seconds - b.seconds, a.decode_rows - b.decode_rows,
          a.prompt_tokens - b.prompt_tokens};
}

}  // namespace

Result<std::string> wait_for_model(const std::string& base_url, const HttpClient::Headers& headers,
                                   double timeout_s,
                                   const std::function<void(const std::string&)>& on_wait) {
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(std::max(timeout_s, 0.0));
  HttpClient client;
  for (bool is_first = true;; is_first = false) {
    const auto response = client.get(base_url + "/v1/models", headers);
    if (response && response->status == 200) return first_model(*response);
    const Error error = response ? refused(base_url, *response) : response.error();
    if (response && is_final(response->status)) return error;
    if (std::chrono::steady_clock::now() + kBetweenTries >= end) return error;
    if (is_first && on_wait) on_wait(error.message);
    std::this_thread::sleep_for(kBetweenTries);
  }
}

Json server_info(const std::string& base_url, const HttpClient::Headers& headers) {
  const auto response = HttpClient().get(base_url + "/get_server_info", headers);
  if (!response || response->status != 200) return nullptr;
  const Result<Json> info = parse_json(response->body);
  return info ? *info : Json(nullptr);
}

std::optional<double> accept_length(const Json& info) {
  if (!info.is_object() || !info.contains("internal_states")) return std::nullopt;
  const Json& states = info["internal_states"];
  if (!states.is_array() || states.empty() || !states[0].is_object()) return std::nullopt;
  const auto found = states[0].find("avg_spec_accept_length");
  if (found == states[0].end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

Result<void> flush_cache(const std::string& base_url, const HttpClient::Headers& headers) {
  const HttpResponse response = TRY(HttpClient().post(base_url + "/flush_cache", headers, ""));
  if (response.status == 200) return {};
  return Error{ErrorCode::kInternal,
               refusal(base_url + "/flush_cache", response.status, response.body)};
}

std::optional<ServerCounts> server_counts(const std::string& base_url,
                                          const HttpClient::Headers& headers) {
  const auto response = HttpClient().get(base_url + "/metrics", headers);
  if (!response || response->status != 200) return std::nullopt;
  return parse_server_counts(response->body);
}

std::optional<ServerCounts> parse_server_counts(std::string_view metrics) {
  if (!series(metrics, "glint_decode_steps_seconds_total")) return std::nullopt;
  return ServerCounts{.decode = step_counts(metrics, "decode"),
                      .prompt = step_counts(metrics, "prompt"),
                      .retractions = series(metrics, "glint_retractions_total").value_or(0)};
}

ServerCounts operator-(const ServerCounts& after, const ServerCounts& before) {
  return {.decode = difference(after.decode, before.decode),
          .prompt = difference(after.prompt, before.prompt),
          .retractions = after.retractions - before.retractions};
}

}  // namespace glint
