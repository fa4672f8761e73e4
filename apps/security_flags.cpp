#include "apps/security_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "apps/serve_options.h"
#include "base/log.h"

namespace glint {
namespace {

constexpr const char* kGroup = "Security";

Error bad_key(const std::string& where, const std::string& problem) {
  return {ErrorCode::kStartup, cat(where, " ", problem), {}};
}

// What a header can carry unchanged.
bool can_be_sent(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Result<void> add_key(std::vector<std::string>& keys, std::string_view key,
                     const std::string& where) {
  if (key.empty()) {
    return bad_key(where,
                   "is an empty key, which would let everybody in: leave the flag out for a "
                   "server without keys.");
  }
  if (!can_be_sent(key)) {
    return bad_key(where,
                   "is a key with a blank, a control character or a letter outside ASCII: "
                   "clients cannot send it in a header.");
  }
  keys.emplace_back(key);
  return {};
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

Result<void> add_file(std::vector<std::string>& keys, const std::string& flag,
                      const std::string& path) {
  std::ifstream file(path);
  if (!file)
    return bad_key(cat(flag, " ", path), cat("cannot be read: ", std::strerror(errno), "."));
  const size_t before = keys.size();
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string_view key = trim(line);
    if (key.empty() || key.starts_with('#')) continue;
    TRY(add_key(keys, key, cat(flag, " ", path, ", line ", number)));
  }
  if (file.bad()) return bad_key(cat(flag, " ", path), "cannot be read: is it a file?");
  if (keys.size() > before) return {};
  return bad_key(cat(flag, " ", path), "has no key in it; expected one a line.");
}

Result<std::vector<std::string>> keys_of(const std::vector<std::string>& typed,
                                         const std::string& flag, const std::string& path) {
  std::vector<std::string> keys;
  for (const std::string& key : typed) TRY(add_key(keys, key, flag));
  if (!path.empty()) TRY(add_file(keys, flag + "-file", path));
  return keys;
}

void add_key_flags(CLI::App& app, KeySources& keys) {
  app.add_option(
         "--api-key", keys.api_keys,
         "keys that clients must show, repeated or with commas; better from the environment "
         "or a file")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("GLINT_API_KEY")
      ->group(kGroup);
  app.add_option("--api-key-file", keys.api_key_file,
                 "one key a line, # begins a comment; read again on SIGHUP")
      ->group(kGroup);
  app.add_option("--admin-api-key", keys.admin_api_keys,
                 "keys for what changes the server (flush_cache …); clients' keys do not do then")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("GLINT_ADMIN_API_KEY")
      ->group(kGroup);
  app.add_option("--admin-api-key-file", keys.admin_api_key_file, "as --api-key-file")
      ->group(kGroup);
}

void add_tls_flags(CLI::App& app, TlsFiles& tls) {
  app.add_option("--ssl-certfile", tls.certfile,
                 "PEM: the server's certificate and those up to a root's; then only HTTPS is "
                 "spoken; read again on SIGHUP")
      ->group(kGroup);
  app.add_option("--ssl-keyfile", tls.keyfile, "PEM: its private key; default: in --ssl-certfile")
      ->group(kGroup);
  app.add_option("--ssl-keyfile-password", tls.keyfile_password,
                 "of an encrypted --ssl-keyfile; better from the environment")
      ->envname("GLINT_SSL_KEYFILE_PASSWORD")
      ->group(kGroup);
  app.add_option("--ssl-ca-certs", tls.ca_certs,
                 "PEM: clients must show a certificate signed by one of these")
      ->group(kGroup);
}

void add_cors_flags(CLI::App& app, CorsPolicy& cors) {
  app.add_option("--cors-allow-origins", cors.allow_origins,
                 "web pages whose scripts may ask and read: https://app.example.com,… or *")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(kGroup);
  app.add_flag_callback(
         "--enable-cors", [&cors] { cors.allow_origins.emplace_back("*"); },
         "the same as --cors-allow-origins '*'")
      ->group(kGroup);
}

bool is_local(const std::string& host) {
  return host.starts_with("127.") || host == "::1" || host == "localhost";
}

// The flags whose value is a secret. No shorter spelling of a key's is taken: --api-k could be
// --api-key-file too.
bool names_a_secret(std::string_view flag) {
  constexpr std::string_view kPassword = "--ssl-keyfile-password", kShortest = "--ssl-keyfile-";
  return flag == "--api-key" || flag == "--admin-api-key" ||
         (flag.starts_with(kShortest) && kPassword.starts_with(flag));
}

}  // namespace

void add_security_flags(CLI::App& app, ServeOptions& options) {
  add_key_flags(app, options.keys);
  add_tls_flags(app, options.http.tls);
  add_cors_flags(app, options.api.cors);
}

Result<KeyLists> read_keys(const KeySources& sources) {
  KeyLists keys;
  keys.user = TRY(keys_of(sources.api_keys, "--api-key", sources.api_key_file));
  keys.admin = TRY(keys_of(sources.admin_api_keys, "--admin-api-key", sources.admin_api_key_file));
  return keys;
}

void hide_secrets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = std::min(argument.find('='), argument.size());
    if (!names_a_secret(argument.substr(0, equals))) continue;
    if (equals < argument.size()) {
      std::fill(argv[i] + equals + 1, argv[i] + argument.size(), 'x');
    } else if (++i < argc) {
      std::fill(argv[i], argv[i] + std::strlen(argv[i]), 'x');
    }
  }
}

bool can_reload(const ServeOptions& options) {
  return !options.keys.api_key_file.empty() || !options.keys.admin_api_key_file.empty() ||
         options.http.tls.enabled();
}

void warn_if_open(const ServeOptions& options) {
  const KeySources& keys = options.keys;
  const bool has_keys = !keys.api_keys.empty() || !keys.api_key_file.empty();
  if (is_local(options.http.host) || has_keys || !options.http.tls.ca_certs.empty()) return;
  log_warning("other machines can reach this server, and it asks for no key: see --api-key",
              {{"host", options.http.host}});
}

}  // namespace glint
