#pragma once

// What the port says while the model is loaded.

#include <atomic>

#include "http/router.h"

namespace glint {

// Answers everything with 503, how far the start is, and Retry-After; each path in its dialect.
// `percent_loaded` is of the weights' bytes; it must outlive the router, and may change meanwhile.
Router make_starting_router(const std::atomic<int>& percent_loaded);

}  // namespace glint
