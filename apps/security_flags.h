#pragma once

// The flags of `glint serve` that say who may ask, over what, from which pages: keys, TLS, CORS.

#include <string>
#include <vector>

#include "api/api_keys.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace glint {

struct ServeOptions;

// Where keys come from, as typed.
struct KeySources {
  std::vector<std::string> api_keys, admin_api_keys;
  std::string api_key_file, admin_api_key_file;
};

void add_security_flags(CLI::App& app, ServeOptions& options);

// The keys that were typed and those in the files, which are read now: one a line; blank lines and
// lines that begin with # are skipped. The Error (kStartup) names the flag or the file and line,
// never a key.
Result<KeyLists> read_keys(const KeySources& sources);

// Overwrites keys and passwords in the arguments, which `ps` shows to everybody.
void hide_secrets(int argc, char** argv);

// Whether there is a file that SIGHUP has the server read again.
bool can_reload(const ServeOptions& options);

// One line if other machines can reach the server and it asks for no key.
void warn_if_open(const ServeOptions& options);

}  // namespace glint
