#include "model/hub.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>

namespace glint {
namespace {

namespace fs = std::filesystem;

bool is_id_part(std::string_view part) {
  return !part.empty() && part.front() != '.' && part.front() != '-' &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

// "org/name": one slash, and nothing that could leave the cache.
bool is_hub_id(std::string_view model) {
  const size_t slash = model.find('/');
  return slash != std::string_view::npos && is_id_part(model.substr(0, slash)) &&
         is_id_part(model.substr(slash + 1));
}

fs::path cached_repository(const fs::path& cache, std::string_view id) {
  std::string name(id);
  name.replace(name.find('/'), 1, "--");
  return cache / ("models--" + name);
}

// "main", or "refs/pr/1": nothing that could leave the cache.
bool is_revision(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return is_id_part(name);
  return is_id_part(name.substr(0, slash)) && is_revision(name.substr(slash + 1));
}

// The snapshot's hash: the first word of refs/<name>, or `name` itself if it is one. Empty if there
// is neither.
std::string commit_of(const fs::path& repository, const std::string& name) {
  if (!is_revision(name)) return "";
  std::ifstream file(repository / "refs" / name);
  std::string hash;
  file >> hash;
  std::error_code error;
  if (!file && fs::is_directory(repository / "snapshots" / name, error)) return name;
  return is_id_part(hash) ? hash : "";
}

Error not_cached(std::string_view id, const HubOptions& options, const fs::path& looked_at,
                 std::string_view missing) {
  std::string command = cat("hf download ", id);
  if (!options.revision.empty()) command += cat(" --revision ", options.revision);
  if (!options.cache.empty()) command += cat(" --cache-dir ", options.cache.string());
  return {ErrorCode::kStartup,
          cat("There is no folder ", id, ", and ", looked_at.string(), " has no ", missing,
              ". Fetch the model with\n  ", command, "\nor name a folder that has it.")};
}

}  // namespace

std::optional<std::string> process_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

fs::path hub_cache_folder(const Environment& environment) {
  if (const auto cache = environment("HF_HUB_CACHE")) return *cache;
  if (const auto home = environment("HF_HOME")) return fs::path(*home) / "hub";
  if (const auto cache = environment("XDG_CACHE_HOME")) {
    return fs::path(*cache) / "huggingface" / "hub";
  }
  return fs::path(environment("HOME").value_or("/")) / ".cache" / "huggingface" / "hub";
}

Result<fs::path> resolve_model(std::string_view model, const Environment& environment,
                               const HubOptions& options) {
  std::error_code error;
  if (fs::is_directory(fs::path(model), error)) return fs::path(model);
  if (!is_hub_id(model)) {
    return Error{ErrorCode::kStartup,
                 cat(model,
                     ": no such folder. MODEL is a folder with config.json, or an id such as "
                     "zai-org/GLM-4.7-Flash.")};
  }
  const fs::path cache = options.cache.empty() ? hub_cache_folder(environment) : options.cache;
  const fs::path repository = cached_repository(cache, model);
  const std::string name = options.revision.empty() ? "main" : options.revision;
  const std::string commit = commit_of(repository, name);
  if (commit.empty()) return not_cached(model, options, repository, "refs/" + name);
  const fs::path snapshot = repository / "snapshots" / commit;
  if (!fs::exists(snapshot / "config.json", error))
    return not_cached(model, options, snapshot, "config.json");
  return snapshot;
}

}  // namespace glint
