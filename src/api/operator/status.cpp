#include "api/operator/status.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/errors.h"
#include "api/operator/metrics.h"
#include "api/whole_answers.h"
#include "base/json.h"

namespace glint {
namespace {

constexpr int kHealthTimeout_s = 20;  // of /health_generate; SGLang's too
constexpr const char* kPaused = "Generation is paused; POST /continue_generation ends that.\n";

// owned_by is what SGLang's router tells engines apart by.
Json model_card(const ServerContext& context) {
  const std::string& name = context.options.served_model_name;
  return Json{{"id", name},
              {"object", "model"},
              {"created", context.started_unix_s},
              {"owned_by", "sglang"},
              {"root", name},
              {"parent", nullptr},
              {"max_model_len", context.limits.context_length}};
}

// What of the engine changes as it runs, or depends on the machine.
Json internal_state(const ServerContext& context, const EngineStats& stats) {
  constexpr double kGiB = int64_t{1} << 30;
  return {{"last_gen_throughput", stats.last_gen_throughput_tps},
          {"num_running_reqs", stats.num_running_requests},
          {"num_waiting_reqs", stats.num_queued_requests},
          {"num_paused_reqs", stats.num_paused_requests()},
          {"is_paused", stats.paused},
          {"effective_max_running_requests_per_dp", context.limits.max_running_requests},
          {"memory_usage",
           {{"weight", static_cast<double>(context.memory.weights_bytes) / kGiB},
            {"kvcache", static_cast<double>(context.memory.kv_bytes) / kGiB},
            {"token_capacity", stats.max_total_tokens}}}};
}

// A request of /health_generate, on its strand alone. An engine that computes tokens is well, be it
// for others while this one waits for a slot.
struct HealthProbe : std::enable_shared_from_this<HealthProbe> {
  HealthProbe(ServerContext& context, std::shared_ptr<Exchange> answered_to)
      : engine(context.engine),
        exchange(std::move(answered_to)),
        steps_before(engine.stats().steps_total) {}

  void answer(bool healthy) {
    if (!std::exchange(answered, true)) exchange->respond(text_response(healthy ? 200 : 503, ""));
  }
  void wait(RequestId id) {
    exchange->after(1, [self = shared_from_this(), id] {
      const bool healthy = self->engine.stats().steps_total > self->steps_before;
      if (!healthy && ++self->seconds < kHealthTimeout_s) return self->wait(id);
      self->engine.cancel(id);
      self->answer(healthy);
    });
  }

  Engine& engine;
  std::shared_ptr<Exchange> exchange;
  int64_t steps_before;
  int seconds = 0;
  bool answered = false;
};

Json parser_name(bool on, const char* name) { return on ? Json(name) : Json(nullptr); }

}  // namespace

void handle_models(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  exchange->respond(
      json_response({{"object", "list"}, {"data", Json::array({model_card(context)})}}));
}

void handle_model(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  constexpr std::string_view kPrefix = "/v1/models/";
  const std::string id = exchange->request().path.substr(kPrefix.size());
  if (id == context.options.served_model_name)
    return exchange->respond(json_response(model_card(context)));
  HttpResponse response =
      error_response({ErrorCode::kNotFound,
                      cat("The model '", id, "' does not exist; this server has '",
                          context.options.served_model_name, "'."),
                      "model"});
  Json body = *parse_json(response.body);
  body["error"]["code"] = "model_not_found";
  response.body = to_json_text(body);
  exchange->respond(std::move(response));
}

void handle_health(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  if (context.shutting_down) return exchange->respond(text_response(503, ""));
  exchange->respond(text_response(200, context.engine.stats().paused ? kPaused : ""));
}

void handle_health_generate(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  if (context.shutting_down) return exchange->respond(text_response(503, ""));
  if (context.engine.stats().paused) return exchange->respond(text_response(503, kPaused));
  GenerateRequest request;
  request.prompt = {0};
  request.max_tokens = 1;
  request.use_prefix_cache = false;
  const auto probe = std::make_shared<HealthProbe>(context, exchange);
  Result<RequestId> id = context.engine.submit(std::move(request), [probe](TokenEvent&& event) {
    if (!event.finish) return;
    const bool healthy = event.finish->reason == FinishReason::kLength;
    probe->exchange->post([probe, healthy] { probe->answer(healthy); });
  });
  if (!id) return exchange->respond(error_response(id.error()));
  probe->wait(*id);
  exchange->on_disconnect([&context, id = *id] { context.engine.cancel(id); });
}

void handle_version(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  if (!context.options.serve_version) {
    return exchange->respond(error_response(
        {ErrorCode::kNotFound, "There is no /version here; --serve-version adds it.", {}}));
  }
  exchange->respond(json_response({{"version", context.options.version}}));
}

void handle_model_info(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const ApiOptions& options = context.options;
  const Json* const preferred = options.preferred.in(Dialect::kNative);
  exchange->respond(
      json_response({{"model_path", options.model_path},
                     {"served_model_name", options.served_model_name},
                     {"tokenizer_path", options.tokenizer_path},
                     {"is_generation", true},
                     {"preferred_sampling_params", preferred ? *preferred : Json(nullptr)},
                     {"weight_version", "default"},
                     {"load_format", options.load_format},
                     {"reasoning_parser", parser_name(options.parse_reasoning, "glm45")},
                     {"tool_call_parser", parser_name(options.parse_tool_calls, "glm47")},
                     {"has_image_understanding", false},
                     {"has_audio_understanding", false},
                     {"model_type", "glm4_moe_lite"},
                     {"architectures", Json::array({"Glm4MoeLiteForCausalLM"})}}));
}

// Flat keys, as SGLang's router reads them.
void handle_server_info(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const ApiOptions& options = context.options;
  const EngineStats stats = context.engine.stats();
  const Json state = internal_state(context, stats);
  exchange->respond(
      json_response({{"model_path", options.model_path},
                     {"served_model_name", options.served_model_name},
                     {"tokenizer_path", options.tokenizer_path},
                     {"version", options.version},
                     {"tp_size", 1},
                     {"dp_size", 1},
                     {"pp_size", 1},
                     {"load_balance_method", "round_robin"},
                     {"disaggregation_mode", "null"},
                     {"is_embedding", false},
                     {"weight_version", "default"},
                     {"dtype", options.dtype},
                     {"kv_cache_dtype", options.dtype},
                     {"device", context.device},
                     {"attention_backend", "glint"},
                     {"load_format", options.load_format},
                     {"vocab_size", context.config.vocab_size},
                     {"skip_tokenizer_init", !context.tokenizer},
                     {"context_length", context.limits.context_length},
                     {"max_total_num_tokens", stats.max_total_tokens},
                     {"max_total_tokens", stats.max_total_tokens},
                     {"max_running_requests", context.limits.max_running_requests},
                     {"chunked_prefill_size", context.limits.chunked_prefill_size},
                     {"page_size", context.limits.page_size},
                     {"disable_radix_cache", !context.limits.prefix_cache},
                     {"random_seed", options.random_seed},
                     {"reasoning_parser", parser_name(options.parse_reasoning, "glm45")},
                     {"tool_call_parser", parser_name(options.parse_tool_calls, "glm47")},
                     {"kv_events", nullptr},
                     {"internal_states", Json::array({state})}}));
}

void handle_metrics(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const std::string text = metrics_text({.stats = context.engine.stats(),
                                         .requests = context.metrics,
                                         .limits = context.limits,
                                         .memory = context.memory,
                                         .startup = context.startup,
                                         .model_name = context.options.served_model_name});
  exchange->respond(
      {.status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8", .body = text});
}

}  // namespace glint
