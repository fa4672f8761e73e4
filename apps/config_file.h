#pragma once

// --config FILE: flags in YAML, one key each.
//
//   model-path: zai-org/GLM-4.7-Flash    # with or without dashes in front, with - or _ within
//   enable_metrics: true                 # a flag without a value; false: as if it were not there
//   cuda-graph-bs: [1, 2, 4]             # several values
//
// What is typed beside --config wins over the file, flag by flag.

#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace glint {

// The file's keys as arguments for `app`, but for the options in `typed`. Every key and value is
// checked: the Error (kInvalidRequest) names file and line, what was found and what was expected.
// Parses with `app`, so what it had parsed must be parsed again.
Result<std::vector<std::string>> config_arguments(CLI::App& app, const std::string& path,
                                                  const std::set<const CLI::Option*>& typed);

}  // namespace glint
