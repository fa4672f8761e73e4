#pragma once

// The responses that can still be asked for: by GET, as previous_response_id, by item_reference.
// Kept in memory as JSON text, so that what they take is what they measure. Any thread.

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace glint {

struct StoredResponse {
  std::string id;
  Json body;   // the response object
  Json input;  // an array: all items that the response was generated from
  bool background = false;
  bool streamed = false;           // its events are kept, for who follows it
  bool finished = true;            // of a background response: no more updates will come
  std::function<void()> cancel{};  // of an unfinished one; called at most once
};

// Takes events of a response, from any thread. `last`: no others will come.
using Follower = std::function<void(const std::string& events, bool last)>;

// What a follower begins with.
struct FollowedEvents {
  std::string events;
  bool ended = false;
  size_t follower = 0;  // for unfollow()
};

// One table with docs/limits.md. When one of them is reached the oldest finished responses go.
struct ResponseStoreLimits {
  size_t max_responses = 1000;
  size_t max_bytes = size_t{256} << 20;
};

class ResponseStore {
 public:
  explicit ResponseStore(ResponseStoreLimits limits = {}) : limits_(limits) {}

  // kOverloaded while as many background responses run as may be kept.
  Result<void> check_room() const;
  // One that the limits cannot hold is not kept.
  void add(StoredResponse response);
  // A new body of an unfinished response; ignored if it is finished (cancelled) or gone.
  void update(const std::string& id, const Json& body, bool finished);

  // More whole events of a streamed response.
  void add_events(const std::string& id, const std::string& events, bool last);
  // The events so far; `follower` gets those to come. Nothing if there is no such stream.
  std::optional<FollowedEvents> follow(const std::string& id, Follower follower);
  void unfollow(const std::string& id, size_t follower);

  std::optional<StoredResponse> find(const std::string& id) const;
  // The output item with that id, or the input item.
  std::optional<Json> find_item(const std::string& item_id) const;

  // An unfinished one becomes `cancelled`. Its body; nothing if there is no such response.
  std::optional<Json> cancel(const std::string& id);
  // Also cancels. False if there is no such response.
  bool remove(const std::string& id);

  size_t num_responses() const;
  size_t num_bytes() const;

 private:
  struct Entry {
    std::string id, body, input, events;
    std::vector<std::string> item_ids;
    bool background, streamed, finished;
    bool events_ended = false;
    std::function<void()> cancel;
    std::map<size_t, Follower> followers{};
    size_t num_bytes() const;
  };
  using Entries = std::list<Entry>;  // oldest first

  void index_items(Entry& entry, const Json& items);
  Entries::iterator drop(Entries::iterator entry);
  void make_room();

  const ResponseStoreLimits limits_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::unordered_map<std::string, Entries::iterator> by_id_;
  std::unordered_map<std::string, std::string> response_of_item_;
  size_t num_bytes_ = 0;
  size_t num_followers_ever_ = 0;
};

}  // namespace glint
