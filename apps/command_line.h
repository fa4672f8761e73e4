#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace glint {

// The MODEL of every command; it stays empty if it is not typed. `names` as CLI11 takes them.
CLI::Option* add_model_argument(CLI::App& app, std::string& model,
                                const std::string& names = "model");

// Parses; the exit status if the command is over with that: 0 after --help, 2 after wrong usage
// (whose sentence went to stderr).
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

}  // namespace glint
