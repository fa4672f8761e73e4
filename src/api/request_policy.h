#pragma once

// What holds for every request, whatever its route: keys, CORS, the request's id, the log.

#include "api/server_context.h"
#include "http/router.h"

namespace glint {

// `context` must outlive the hooks.
Router::Hooks request_policy(ServerContext& context);

}  // namespace glint
