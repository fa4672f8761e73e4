#pragma once

// How busy this server is, for routers, under SGLang's keys.

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// GET /v1/loads?include=core,memory,queues,disagg,spec,lora,all&format=json|prometheus&dp_rank=0: a
// section or format that does not exist is a 400.
void handle_loads(ServerContext& context, std::shared_ptr<Exchange> exchange);
// GET /get_load: the older form, a list with one object, num_reqs and num_tokens in it.
void handle_get_load(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
