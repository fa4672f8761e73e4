#include "apps/bundled_model.h"

#include <cstdio>

namespace glint {
namespace {

namespace fs = std::filesystem;

// <prefix>/share/glint/models of <prefix>/bin/glint: an installation can be moved as a whole.
fs::path installed_models() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return program.parent_path().parent_path() / "share" / "glint" / "models";
}

}  // namespace

Result<fs::path> bundled_model(const Environment& environment) {
  const auto variable = environment("GLINT_MODELS");
  const fs::path folder = (variable ? fs::path(*variable) : installed_models()) / kBundledModelName;
  std::error_code error;
  if (fs::is_regular_file(folder / "config.json", error)) return fs::canonical(folder, error);
  return Error{ErrorCode::kStartup,
               cat("No MODEL was named, and the bundled one is not at ", folder.string(),
                   variable ? " (GLINT_MODELS is set)" : "",
                   ". Name a MODEL, keep share/glint beside the bin folder of glint as cmake "
                   "--install puts it, or set GLINT_MODELS to the folder that has ",
                   kBundledModelName, ".")};
}

Result<std::string> model_or_bundled(const std::string& model) {
  if (!model.empty()) return model;
  const fs::path folder = TRY(bundled_model());
  std::fprintf(stderr, "model: %s, the bundled one (no MODEL was named)\n", folder.c_str());
  return folder.string();
}

}  // namespace glint
