#include "eval/requests.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <vector>

namespace glint {

Result<Json> post_json(HttpClient& client, const std::string& url, const Json& body) {
  const HttpResponse response =
      TRY(client.post(url, {{"Content-Type", "application/json"}}, to_json_text(body)));
  if (response.status >= 400) {
    return Error{ErrorCode::kInternal,
                 cat(url, " answered ", response.status, ": ", response.body)};
  }
  return parse_json(response.body);
}

Result<void> ask_in_parallel(size_t count, int parallel,
                             const std::function<Result<void>(HttpClient&, size_t)>& ask) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::optional<Error> first_error;
  const auto work = [&] {
    HttpClient client;
    for (size_t i = next++; i < count; i = next++) {
      Result<void> asked = ask(client, i);
      if (asked) continue;
      const std::lock_guard lock(mutex);
      if (!first_error) first_error = asked.error();
      next = count;
    }
  };
  std::vector<std::thread> threads;
  const size_t workers = std::min(count, static_cast<size_t>(std::max(parallel, 1)));
  for (size_t i = 0; i < workers; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  if (first_error) return *first_error;
  return {};
}

}  // namespace glint
