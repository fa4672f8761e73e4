#pragma once

// Who runs under which name, so that an operator or a client can abort by it: the request's rid,
// which is also its answer's id, and the X-Request-Id of its HTTP request.

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"

namespace glint {

// All functions may be called from any thread.
class RunningRequests {
 public:
  // Holds its names for as long as it lives.
  class Entry {
   public:
    Entry() = default;
    Entry(RunningRequests& registry, RequestId id, std::vector<std::string> names);
    ~Entry() { release(); }
    Entry(Entry&& other) noexcept;
    Entry& operator=(Entry&& other) noexcept;

    void release();

   private:
    RunningRequests* registry_ = nullptr;
    RequestId id_ = 0;
    std::vector<std::string> names_;
  };

  // The requests of which a name begins with `prefix`, each once. "" begins every name.
  std::vector<RequestId> find(std::string_view prefix) const;

 private:
  mutable std::mutex mutex_;
  std::multimap<std::string, RequestId, std::less<>> ids_;  // guarded by mutex_
};

}  // namespace glint
