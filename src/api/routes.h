#pragma once

#include "api/server_context.h"
#include "http/router.h"

namespace glint {

// The table of endpoints. `context` must outlive the router.
Router make_router(ServerContext& context);

}  // namespace glint
