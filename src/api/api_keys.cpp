#include "api/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <mutex>

#include "base/check.h"

namespace glint {
namespace {

// The credentials of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110, 11.1).
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return {};
  authorization.remove_prefix(kScheme.size());
  const size_t begin = authorization.find_first_not_of(' ');
  return begin == authorization.npos ? std::string_view() : authorization.substr(begin);
}

// Looks at all of them, also after the one that fits.
template <typename Digest>
bool contains(const std::vector<Digest>& digests, const Digest& wanted) {
  bool found = false;
  for (const Digest& digest : digests)
    found |= CRYPTO_memcmp(digest.data(), wanted.data(), wanted.size()) == 0;
  return found;
}

}  // namespace

ApiKeys::ApiKeys() : digests_(std::make_shared<Digests>()) {
  CHECK(RAND_bytes(salt_.data(), static_cast<int>(salt_.size())) == 1, "no random numbers");
}

ApiKeys::Digest ApiKeys::digest(std::string_view key) const {
  Digest out{};
  unsigned size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(key.data());
  const unsigned char* made = HMAC(EVP_sha256(), salt_.data(), static_cast<int>(salt_.size()),
                                   bytes, key.size(), out.data(), &size);
  CHECK(made != nullptr && size == out.size(), "SHA-256 failed");
  return out;
}

void ApiKeys::set(const KeyLists& keys) {
  auto digests = std::make_shared<Digests>();
  for (const std::string& key : keys.user) digests->user.push_back(digest(key));
  for (const std::string& key : keys.admin) digests->admin.push_back(digest(key));
  std::unique_lock lock(mutex_);
  digests_ = std::move(digests);
}

std::shared_ptr<const ApiKeys::Digests> ApiKeys::current() const {
  std::shared_lock lock(mutex_);
  return digests_;
}

bool ApiKeys::has_any() const {
  const auto keys = current();
  return !keys->user.empty() || !keys->admin.empty();
}

Admission ApiKeys::admit(Access access, const HttpRequest& request) const {
  const auto keys = current();
  const bool admin_only = access == Access::kAdmin && !keys->admin.empty();
  if (access == Access::kOpen || (keys->user.empty() && !admin_only)) return Admission::kAdmitted;
  const Digest bearer = digest(bearer_token(request.header("Authorization")));
  const Digest x_api_key = digest(request.header("x-api-key"));
  // All are compared, whatever the first said.
  const bool bearer_is_admin = contains(keys->admin, bearer);
  const bool x_api_key_is_admin = contains(keys->admin, x_api_key);
  const bool bearer_is_user = contains(keys->user, bearer);
  const bool x_api_key_is_user = contains(keys->user, x_api_key);
  const bool is_admin = bearer_is_admin || x_api_key_is_admin;
  const bool is_user = bearer_is_user || x_api_key_is_user;
  if (is_admin || (is_user && !admin_only)) return Admission::kAdmitted;
  return is_user ? Admission::kForbidden : Admission::kUnauthorized;
}

}  // namespace glint
