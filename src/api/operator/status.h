#pragma once

// What a server says of itself.

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// GET /v1/models
void handle_models(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /v1/models/{id}; an id may hold slashes, as Hugging Face's do.
void handle_model(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /health, /ping: 200, or 503 while shutting down (while starting: starting.h). The body says
// if generation is paused.
void handle_health(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /health_generate: 200 once one token was computed, or others' are; 503 while paused.
void handle_health_generate(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /model_info, /get_model_info
void handle_model_info(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /server_info, /get_server_info
void handle_server_info(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /version, with ApiOptions::serve_version: vLLM's form. Routers take who has it for a vLLM.
void handle_version(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /metrics: Prometheus text
void handle_metrics(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
