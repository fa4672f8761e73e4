#pragma once

// The small trained model that comes with glint: what every command uses without a MODEL.

#include <filesystem>
#include <string>

#include "base/result.h"
#include "model/hub.h"

namespace glint {

inline constexpr const char* kBundledModelName = "glint-small";

// Its folder: in $GLINT_MODELS, or else in ../share/glint/models as seen from the folder of the
// running program (followed through links to it). A build tree has that place too. The Error
// (kStartup) says where it was looked for.
Result<std::filesystem::path> bundled_model(const Environment& environment = process_environment);

// The MODEL argument as it was typed; without one the bundled model's folder, and a line on stderr
// that says so.
Result<std::string> model_or_bundled(const std::string& model);

}  // namespace glint
