#include "api/running_requests.h"

#include <set>
#include <utility>

namespace glint {

RunningRequests::Entry::Entry(RunningRequests& registry, RequestId id,
                              std::vector<std::string> names)
    : registry_(&registry), id_(id), names_(std::move(names)) {
  std::lock_guard lock(registry.mutex_);
  for (const std::string& name : names_) registry.ids_.emplace(name, id);
}

RunningRequests::Entry::Entry(Entry&& other) noexcept
    : registry_(std::exchange(other.registry_, nullptr)),
      id_(other.id_),
      names_(std::move(other.names_)) {}

RunningRequests::Entry& RunningRequests::Entry::operator=(Entry&& other) noexcept {
  std::swap(registry_, other.registry_);
  std::swap(id_, other.id_);
  std::swap(names_, other.names_);
  return *this;
}

void RunningRequests::Entry::release() {
  if (registry_ == nullptr) return;
  RunningRequests& registry = *std::exchange(registry_, nullptr);
  std::lock_guard lock(registry.mutex_);
  for (const std::string& name : names_) {
    auto [it, end] = registry.ids_.equal_range(name);
    while (it != end && it->second != id_) ++it;
    if (it != end) registry.ids_.erase(it);
  }
}

std::vector<RequestId> RunningRequests::find(std::string_view prefix) const {
  std::set<RequestId> found;
  std::lock_guard lock(mutex_);
  for (auto it = ids_.lower_bound(prefix); it != ids_.end() && it->first.starts_with(prefix); ++it)
    found.insert(it->second);
  return {found.begin(), found.end()};
}

}  // namespace glint
