#pragma once

// The CPU backend: plain, exact, portable to every x86-64. Everything is absorbed, in one
// arithmetic, so a token's bits do not depend on chunking or batching.

#include <memory>

#include "backend/backend.h"

namespace glint {

// num_threads 0: one for each core this process may use.
std::unique_ptr<Backend> make_cpu_backend(int num_threads = 0);

}  // namespace glint
