#include "api/running_requests.h"

#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace glint {

struct RunningRequests::Names {
  std::mutex mutex;
  std::multimap<std::string, RequestId, std::less<>> ids;  // guarded by mutex
};

RunningRequests::Entry::Entry(RunningRequests& registry, RequestId id,
                              std::vector<std::string> names)
    : registered_(registry.names_), id_(id), names_(std::move(names)) {
  std::lock_guard lock(registered_->mutex);
  for (const std::string& name : names_) registered_->ids.emplace(name, id);
}

RunningRequests::Entry& RunningRequests::Entry::operator=(Entry&& other) noexcept {
  std::swap(registered_, other.registered_);
  std::swap(id_, other.id_);
  std::swap(names_, other.names_);
  return *this;
}

void RunningRequests::Entry::release() {
  const std::shared_ptr<Names> registered = std::exchange(registered_, nullptr);
  if (registered == nullptr) return;
  std::lock_guard lock(registered->mutex);
  for (const std::string& name : names_) {
    auto [it, end] = registered->ids.equal_range(name);
    while (it != end && it->second != id_) ++it;
    if (it != end) registered->ids.erase(it);
  }
}

RunningRequests::RunningRequests() : names_(std::make_shared<Names>()) {}

RunningRequests::~RunningRequests() = default;

std::vector<RequestId> RunningRequests::find(std::string_view prefix) const {
  std::set<RequestId> found;
  std::lock_guard submitted(submitting_);
  std::lock_guard lock(names_->mutex);
  const auto& ids = names_->ids;
  for (auto it = ids.lower_bound(prefix); it != ids.end() && it->first.starts_with(prefix); ++it)
    found.insert(it->second);
  return {found.begin(), found.end()};
}

}  // namespace glint
