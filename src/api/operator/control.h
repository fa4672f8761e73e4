#pragma once

// What an operator may tell a server to do.

#include <memory>

#include "api/server_context.h"
#include "http/http.h"

namespace glint {

// GET and POST /flush_cache?timeout=s: 400 while requests run or wait, after `timeout` seconds.
void handle_flush_cache(ServerContext& context, std::shared_ptr<Exchange> exchange);
// POST /abort_request {"rid": prefix or a list of them, "abort_all": false}: 200, whether or not
// there is such a request. What it ends gets finish_reason abort.
void handle_abort_request(ServerContext& context, std::shared_ptr<Exchange> exchange);
// POST /pause_generation {"mode": "abort"}: no step is computed until POST /continue_generation.
// "abort" ends what runs and waits; "in_place" and "retract" let it stand still. Later requests
// wait.
void handle_pause_generation(ServerContext& context, std::shared_ptr<Exchange> exchange);
void handle_continue_generation(ServerContext& context, std::shared_ptr<Exchange> exchange);
// POST to what SGLang lets an operator tune and has no meaning here: 200, and the body says that
// nothing was done.
void handle_no_op(ServerContext& context, std::shared_ptr<Exchange> exchange);

}  // namespace glint
