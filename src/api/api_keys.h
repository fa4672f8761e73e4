#pragma once

// The keys that clients show. Only their digests are kept.

#include <array>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "http/http.h"
#include "http/router.h"

namespace glint {

struct KeyLists {
  std::vector<std::string> user;
  std::vector<std::string> admin;
};

enum class Admission { kAdmitted, kUnauthorized, kForbidden };

// Without keys everybody may do everything. With user keys, routes for clients take any key, and
// routes for administrators an admin key, or any while there is no admin key. With admin keys
// alone, clients need none.
class ApiKeys {
 public:
  ApiKeys();
  void set(const KeyLists& keys);  // any thread; the next request is held against the new ones
  bool has_any() const;

  // By `Authorization: Bearer` and `x-api-key`: either may hold the key. kForbidden: it is a
  // user's, and the route is for administrators. A key is compared with every one kept, in a time
  // that does not depend on either.
  Admission admit(Access access, const HttpRequest& request) const;

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Digests {
    std::vector<Digest> user, admin;
  };
  Digest digest(std::string_view key) const;
  std::shared_ptr<const Digests> current() const;

  Digest salt_;  // of this process
  mutable std::shared_mutex mutex_;
  std::shared_ptr<const Digests> digests_;
};

}  // namespace glint
