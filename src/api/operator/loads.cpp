#include "api/operator/loads.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "api/errors.h"
#include "api/responses.h"

namespace glint {
namespace {

constexpr std::string_view kSections[] = {"core", "memory", "queues", "disagg",
                                          "spec", "lora",   "all"};

double gibibytes(int64_t bytes) { return static_cast<double>(bytes) / (int64_t{1} << 30); }

double ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

double unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// ISO 8601, UTC, to the second.
std::string iso_time() {
  const std::time_t now = unix_time_s();
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[sizeof "2026-01-02T03:04:05+00:00"];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", &utc);
  return text;
}

// What of a waiting prompt is cached is known only when it starts: all of it counts as uncached.
Json core(const ServerContext& context, const EngineStats& stats) {
  const int max_running = context.limits.max_running_requests;
  const double token_usage = ratio(stats.num_used_tokens, stats.max_total_tokens);
  return {{"timestamp", unix_seconds()},
          {"dp_rank", 0},
          {"num_running_reqs", stats.num_running_requests},
          {"num_waiting_reqs", stats.num_queued_requests},
          {"num_waiting_uncached_tokens", stats.num_waiting_tokens},
          {"num_used_tokens", stats.num_used_tokens},
          {"num_total_tokens", stats.num_used_tokens + stats.num_waiting_tokens},
          {"num_active_tokens", stats.num_used_tokens},
          {"max_total_num_tokens", stats.max_total_tokens},
          {"max_running_requests", max_running},
          {"token_usage", token_usage},
          {"gen_throughput", stats.last_gen_throughput_tps},
          {"cache_hit_rate", ratio(stats.cached_tokens_total, stats.prompt_tokens_total)},
          {"utilization", std::max(token_usage, ratio(stats.num_running_requests, max_running))},
          {"total_prefill_uncached_tokens", stats.prompt_steps.prompt_tokens},
          {"total_prefill_busy_us", static_cast<int64_t>(stats.prompt_steps.seconds * 1e6)}};
}

// CUDA graphs are not counted apart from the weights' and the cache's surroundings.
Json memory(const ServerContext& context, const EngineStats& stats) {
  return {{"weight_gb", gibibytes(context.memory.weights_bytes)},
          {"kv_cache_gb", gibibytes(context.memory.kv_bytes)},
          {"graph_gb", 0.0},
          {"token_capacity", stats.max_total_tokens}};
}

Json queues(const EngineStats& stats) {
  return {{"waiting", stats.num_queued_requests},
          {"grammar", 0},
          {"paused", stats.num_paused_requests()},
          {"retracted", stats.num_retracted_requests},
          {"prealloc_ready", 0}};
}

// There are no sections `spec` and `lora` without speculation and adapters, as in SGLang.
Json load(const ServerContext& context, const std::set<std::string_view>& sections) {
  const EngineStats stats = context.engine.stats();
  const auto has = [&](std::string_view name) {
    return sections.contains(name) || sections.contains("all");
  };
  Json json = core(context, stats);
  if (has("memory")) json["memory"] = memory(context, stats);
  if (has("queues")) json["queues"] = queues(stats);
  if (has("disagg")) json["disaggregation"] = {{"mode", "null"}};
  return json;
}

Error bad_query(std::string_view name, std::string_view value, std::string_view expected) {
  return {ErrorCode::kInvalidRequest, cat(name, " is ", value, "; expected ", expected, "."),
          std::string(name)};
}

Result<std::set<std::string_view>> parse_sections(const HttpRequest& http) {
  std::string_view rest = http.query_value("include");
  if (rest.empty()) rest = "all";
  std::set<std::string_view> sections;
  while (true) {
    const size_t comma = rest.find(',');
    std::string_view name = rest.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (std::ranges::find(kSections, name) == std::end(kSections))
      return bad_query("include", name, "core, memory, queues, disagg, spec, lora or all");
    sections.insert(name);
    if (comma == rest.npos) return sections;
    rest = rest.substr(comma + 1);
  }
}

void add_gauge(const std::string& name, const Json& value, std::string& text) {
  if (!value.is_number()) return;
  text += cat("# TYPE ", name, " gauge\n", name, "{dp_rank=\"0\"} ", to_json_text(value), "\n");
}

std::string prometheus_text(const Json& load) {
  std::string text;
  for (const auto& [key, value] : load.items()) {
    if (key == "dp_rank") continue;
    if (!value.is_object()) add_gauge(cat("sglang_", key), value, text);
    if (value.is_object())
      for (const auto& [inner, number] : value.items())
        add_gauge(cat("sglang_", key, "_", inner), number, text);
  }
  return text;
}

Result<HttpResponse> loads(const ServerContext& context, const HttpRequest& http) {
  const std::set<std::string_view> sections = TRY(parse_sections(http));
  const std::string_view format = http.query_value("format"), rank = http.query_value("dp_rank");
  if (!rank.empty() && rank != "0") return bad_query("dp_rank", rank, "0, the only one");
  if (!format.empty() && format != "json" && format != "prometheus")
    return bad_query("format", format, "json or prometheus");
  const Json one = load(context, sections);
  if (format == "prometheus")
    return HttpResponse{.status = 200,
                        .content_type = "text/plain; version=0.0.4; charset=utf-8",
                        .body = prometheus_text(one)};
  return json_response({{"timestamp", iso_time()},
                        {"version", context.options.version},
                        {"accelerator", context.device},
                        {"num_accelerators", 1},
                        {"loads", Json::array({one})}});
}

}  // namespace

void handle_loads(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  Result<HttpResponse> response = loads(context, exchange->request());
  exchange->respond(response ? *std::move(response) : error_response(response.error()));
}

void handle_get_load(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const EngineStats stats = context.engine.stats();
  exchange->respond(json_response(
      Json::array({{{"dp_rank", 0},
                    {"num_reqs", stats.num_running_requests + stats.num_queued_requests},
                    {"num_running_reqs", stats.num_running_requests},
                    {"num_waiting_reqs", stats.num_queued_requests},
                    {"num_waiting_uncached_tokens", stats.num_waiting_tokens},
                    {"num_tokens", stats.num_used_tokens + stats.num_waiting_tokens}}})));
}

}  // namespace glint
