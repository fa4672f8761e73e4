#pragma once

// What a server says of itself, and what an operator may tell it.

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// GET /v1/models
void handle_models(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /v1/models/{id}; an id may hold slashes, as Hugging Face's do.
void handle_model(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /health: 200, or 503 while shutting down.
void handle_health(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /health_generate: 200 once one token was computed.
void handle_health_generate(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /model_info, /get_model_info
void handle_model_info(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /server_info, /get_server_info
void handle_server_info(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /metrics: Prometheus text
void handle_metrics(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET and POST /flush_cache: 400 while requests run or wait.
void handle_flush_cache(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
