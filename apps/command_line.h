#pragma once

#include <optional>

namespace CLI {
class App;
}

namespace glint {

// Parses; the exit status if the command is over with that: 0 after --help, 2 after wrong usage
// (whose sentence went to stderr).
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

}  // namespace glint
