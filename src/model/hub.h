#pragma once

// The MODEL argument of every command: a folder, or a Hugging Face id that is in the local cache.
// Nothing is ever downloaded.
//
//   <cache>/models--<org>--<name>/refs/main                the revision's hash; also of other names
//   <cache>/models--<org>--<name>/snapshots/<hash>/...     its files
//
// <cache> is what the caller says, else HF_HUB_CACHE, else HF_HOME/hub, else
// XDG_CACHE_HOME/huggingface/hub, else
// ~/.cache/huggingface/hub. Source: huggingface_hub, constants.py and file_download.py.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace glint {

// The value of an environment variable; nothing if it is not set or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> process_environment(const char* name);

std::filesystem::path hub_cache_folder(const Environment& environment = process_environment);

// Which files of an id are meant.
struct HubOptions {
  std::string revision;         // a branch or tag that was fetched, or a commit's hash; empty: main
  std::filesystem::path cache;  // empty: hub_cache_folder()
};

// The folder that `model` means. The Error (kStartup) says where it was looked for and, for an id,
// the command that fetches it.
Result<std::filesystem::path> resolve_model(std::string_view model,
                                            const Environment& environment = process_environment,
                                            const HubOptions& options = {});

}  // namespace glint
