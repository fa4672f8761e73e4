#pragma once

// What other threads ask of the engine thread.

#include <functional>
#include <variant>

#include "base/queue.h"
#include "base/result.h"
#include "engine/event.h"
#include "engine/request.h"

namespace glint {

struct SubmitCommand {
  RequestId id = 0;
  GenerateRequest request;  // max_tokens as admitted
  EventSink sink;
  double submitted_s = 0;
};
struct CancelCommand {
  RequestId id = 0;
};
struct FlushCommand {
  std::function<void(Result<void>)> done;
};
struct PauseCommand {
  bool pause = true;  // false: go on
  std::function<void(Result<void>)> done;
};
using Command = std::variant<SubmitCommand, CancelCommand, FlushCommand, PauseCommand>;

// Closed when the engine stops, so that no request is left without its last event.
using CommandQueue = Queue<Command>;

}  // namespace glint
