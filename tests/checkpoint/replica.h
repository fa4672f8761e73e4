#pragma once

// zai-org/GLM-4.7-Flash without its numbers: the config, the index and 48 shards with their real
// names, headers and sizes. Bodies are holes, so that 62 GB take some MB of disk.

#include <filesystem>

#include "base/result.h"

namespace glint {

// Source of names, placement and the index's total_size: the released weight map and file sizes.
Result<void> write_replica(const std::filesystem::path& folder);

}  // namespace glint
