#pragma once

// Who runs under which name, so that an operator or a client can abort by it: the request's rid,
// which is also its answer's id, and the X-Request-Id of its HTTP request.

#include <memory>
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

  // The requests of which a name begins with `prefix`, each once. "" begins every name.
  std::vector<RequestId> find(std::string_view prefix) const;

 private:
  std::shared_ptr<Names> names_;
};

}  // namespace glint
