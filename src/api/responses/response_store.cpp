#include "api/responses/response_store.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace glint {
namespace {

// What an entry takes beside its texts: list and map nodes, with room to spare. An item's id stands
// in two of them.
constexpr size_t kEntryBytes = 512;
constexpr size_t kItemBytes = 192;

std::optional<Json> item_in(const std::string& items_json, const char* within,
                            const std::string& item_id) {
  const Json parsed = *parse_json(items_json);
  for (const Json& item : within == nullptr ? parsed : parsed[within])
    if (item.value("id", "") == item_id) return item;
  return std::nullopt;
}

}  // namespace

size_t ResponseStore::Entry::num_bytes() const {
  size_t bytes = kEntryBytes + body.size() + input.size() + events.size();
  for (const std::string& item_id : item_ids) bytes += kItemBytes + 2 * item_id.size();
  return bytes;
}

Result<void> ResponseStore::check_room() const {
  std::lock_guard lock(mutex_);
  const auto running = static_cast<size_t>(std::count_if(
      entries_.begin(), entries_.end(), [](const Entry& entry) { return !entry.finished; }));
  if (running < limits_.max_responses) return {};
  return Error{ErrorCode::kOverloaded,
               cat("There are ", running,
                   " background responses under way, the most that are "
                   "kept. Try again when some have finished."),
               "background"};
}

void ResponseStore::add(StoredResponse response) {
  Entry entry{.id = response.id,
              .body = to_json_text(response.body),
              .input = to_json_text(response.input),
              .events = {},
              .item_ids = {},
              .background = response.background,
              .streamed = response.streamed,
              .finished = response.finished,
              .cancel = std::move(response.cancel)};
  std::lock_guard lock(mutex_);
  const auto at = entries_.insert(entries_.end(), std::move(entry));
  by_id_[at->id] = at;
  index_items(*at, response.input);
  index_items(*at, response.body["output"]);
  num_bytes_ += at->num_bytes();
  make_room();
}

void ResponseStore::update(const std::string& id, const Json& body, bool finished) {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || found->second->finished) return;
  Entry& entry = *found->second;
  num_bytes_ -= entry.num_bytes();
  entry.body = to_json_text(body);
  entry.finished = finished;
  if (finished) index_items(entry, body["output"]);
  num_bytes_ += entry.num_bytes();
  make_room();
}

void ResponseStore::add_events(const std::string& id, const std::string& events, bool last) {
  std::unique_lock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || found->second->events_ended) return;
  Entry& entry = *found->second;
  entry.events += events;
  entry.events_ended = last;
  num_bytes_ += events.size();
  std::map<size_t, Follower> followers = entry.followers;
  if (last) entry.followers.clear();
  lock.unlock();
  for (const auto& [number, follower] : followers) follower(events, last);
}

std::optional<FollowedEvents> ResponseStore::follow(const std::string& id, Follower follower) {
  std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || !found->second->streamed) return std::nullopt;
  Entry& entry = *found->second;
  const size_t number = ++num_followers_ever_;
  if (!entry.events_ended) entry.followers.emplace(number, std::move(follower));
  return FollowedEvents{.events = entry.events, .ended = entry.events_ended, .follower = number};
}

void ResponseStore::unfollow(const std::string& id, size_t follower) {
  std::map<size_t, Follower>::node_type dropped;  // after the lock: it may hold a connection
  std::lock_guard lock(mutex_);
  if (const auto found = by_id_.find(id); found != by_id_.end())
    dropped = found->second->followers.extract(follower);
}

std::optional<StoredResponse> ResponseStore::find(const std::string& id) const {
  std::unique_lock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  const Entry entry = *found->second;
  lock.unlock();  // parsing may take long
  return StoredResponse{.id = id,
                        .body = *parse_json(entry.body),
                        .input = *parse_json(entry.input),
                        .background = entry.background,
                        .streamed = entry.streamed,
                        .finished = entry.finished};
}

std::optional<Json> ResponseStore::find_item(const std::string& item_id) const {
  std::unique_lock lock(mutex_);
  const auto found = response_of_item_.find(item_id);
  if (found == response_of_item_.end()) return std::nullopt;
  const Entry entry = *by_id_.at(found->second);
  lock.unlock();
  if (auto item = item_in(entry.body, "output", item_id)) return item;
  return item_in(entry.input, nullptr, item_id);
}

std::optional<Json> ResponseStore::cancel(const std::string& id) {
  std::unique_lock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  Entry& entry = *found->second;
  Json body = *parse_json(entry.body);
  if (entry.finished) return body;
  body["status"] = "cancelled";
  num_bytes_ -= entry.num_bytes();
  entry.body = to_json_text(body);
  entry.finished = true;
  num_bytes_ += entry.num_bytes();
  const auto stop = std::exchange(entry.cancel, nullptr);
  lock.unlock();
  if (stop) stop();
  add_events(id, "", true);
  return body;
}

bool ResponseStore::remove(const std::string& id) {
  if (!cancel(id)) return false;
  std::lock_guard lock(mutex_);
  if (const auto found = by_id_.find(id); found != by_id_.end()) drop(found->second);
  return true;
}

size_t ResponseStore::num_responses() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

size_t ResponseStore::num_bytes() const {
  std::lock_guard lock(mutex_);
  return num_bytes_;
}

// An item that several responses share is looked up in the newest.
void ResponseStore::index_items(Entry& entry, const Json& items) {
  for (const Json& item : items) {
    const std::string id = item.value("id", "");
    if (id.empty()) continue;
    response_of_item_[id] = entry.id;
    entry.item_ids.push_back(id);
  }
}

ResponseStore::Entries::iterator ResponseStore::drop(Entries::iterator entry) {
  num_bytes_ -= entry->num_bytes();
  for (const std::string& id : entry->item_ids) {
    const auto found = response_of_item_.find(id);
    if (found != response_of_item_.end() && found->second == entry->id)
      response_of_item_.erase(found);
  }
  by_id_.erase(entry->id);
  return entries_.erase(entry);
}

void ResponseStore::make_room() {
  auto entry = entries_.begin();
  while (entry != entries_.end() &&
         (entries_.size() > limits_.max_responses || num_bytes_ > limits_.max_bytes)) {
    entry = entry->finished ? drop(entry) : std::next(entry);
  }
}

}  // namespace glint
