#pragma once

// The way of a step's data from the host to the backend without waiting: pinned memory of which one
// half is filled while the copies out of the other, the step before's, may still be under way.

#include <array>
#include <cstddef>
#include <memory>

#include "backend/backend.h"

namespace glint {

class Staging {
 public:
  // Room for `bytes` a step. A step that takes more waits for its own first copies.
  Staging(Backend& backend, size_t bytes);
  ~Staging();  // waits for the copies
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // What was reserved in the last but one step is given out again, when it has been copied.
  void begin_step();
  // Host memory, uninitialised, aligned to 64 bytes. To be filled and handed to upload_async()
  // before the next call.
  void* reserve(size_t bytes);
  void upload(void* to, const void* from_host, size_t bytes);

 private:
  Backend& backend_;
  const size_t bytes_;  // of one half
  std::array<HostBuffer, 2> halves_;
  std::array<std::unique_ptr<Event>, 2> copied_;
  size_t half_ = 0;
  size_t used_ = 0;  // of this half
};

}  // namespace glint
