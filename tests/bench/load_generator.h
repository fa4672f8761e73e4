#pragma once

// Closed-loop HTTP load: each connection sends a request, reads its whole answer, and sends the
// next.

#include <cstdint>
#include <string>

#include "base/result.h"
#include "client/url.h"

namespace glint {

struct Load {
  Url url;
  std::string body;  // POSTed as JSON
  int num_connections = 64;
  int num_threads = 1;
  double seconds = 3;
};

struct LoadResult {
  double seconds = 0;
  int64_t num_requests = 0;  // answered with status 200, wholly
  int64_t num_events = 0;    // server-sent events, [DONE] left out
  int64_t num_failed = 0;    // another status, or a connection that broke
};

Result<LoadResult> run_load(const Load& load);

}  // namespace glint
