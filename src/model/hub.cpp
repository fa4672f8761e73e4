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

// The first word of refs/main: a hash. Empty if there is none.
std::string main_revision(const fs::path& repository) {
  std::ifstream file(repository / "refs" / "main");
  std::string revision;
  file >> revision;
  return is_id_part(revision) ? revision : "";
}

Error not_cached(std::string_view id, const fs::path& looked_at, std::string_view missing) {
  return {ErrorCode::kStartup,
          cat("There is no folder ", id, ", and ", looked_at.string(), " has no ", missing,
              ". Fetch the model with\n  hf download ", id, "\nor name a folder that has it.")};
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

Result<fs::path> resolve_model(std::string_view model, const Environment& environment) {
  std::error_code error;
  if (fs::is_directory(fs::path(model), error)) return fs::path(model);
  if (!is_hub_id(model)) {
    return Error{ErrorCode::kStartup,
                 cat(model,
                     ": no such folder. MODEL is a folder with config.json, or an id such as "
                     "zai-org/GLM-4.7-Flash.")};
  }
  const fs::path repository = cached_repository(hub_cache_folder(environment), model);
  const std::string revision = main_revision(repository);
  if (revision.empty()) return not_cached(model, repository, "refs/main");
  const fs::path snapshot = repository / "snapshots" / revision;
  if (!fs::exists(snapshot / "config.json", error)) {
    return not_cached(model, snapshot, "config.json");
  }
  return snapshot;
}

}  // namespace glint
