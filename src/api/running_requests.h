#pragma once

// Who runs under which name, so that an operator or a client can abort by it: the request's rid,
// which is also its answer's id, and the X-Request-Id of its HTTP request.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"

namespace glint {

// All functions may be called from any thread.
class RunningRequests {
  struct Names;

 public:
  // Holds its names for as long as it lives, which may be longer than the registry does.
  class Entry {
   public:
    Entry() = default;
    Entry(RunningRequests& registry, RequestId id, std::vector<std::string> names);
    ~Entry() { release(); }
    Entry(Entry&& other) noexcept = default;
    Entry& operator=(Entry&& other) noexcept;

    void release();

   private:
    std::shared_ptr<Names> registered_;  // null: holds nothing
    RequestId id_ = 0;
    std::vector<std::string> names_;
  };

  RunningRequests();
  ~RunningRequests();

  // Held while the requests of one answer are submitted and entered, so that find() names all of
  // them or none: one that came after would run on where all were to be aborted.
  std::unique_lock<std::mutex> hold_finds() { return std::unique_lock(submitting_); }

  // The requests of which a name begins with `prefix`, each once. "" begins every name. Waits for
  // who holds finds.
  std::vector<RequestId> find(std::string_view prefix) const;

 private:
  mutable std::mutex submitting_;
  std::shared_ptr<Names> names_;
};

}  // namespace glint
