#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace CLI {
class App;
class Option;
class Validator;
}  // namespace CLI

namespace glint {

// The MODEL of every command; it stays empty if it is not typed. `names` as CLI11 takes them.
CLI::Option* add_model_argument(CLI::App& app, std::string& model,
                                const std::string& names = "model");

// The last words of --help of a command that asks a server.
inline constexpr const char* kApiKeyHelp =
    "A server's API key is taken from the environment: OPENAI_API_KEY.";

// For numbers: a value that does not fit is named beside what was expected.
CLI::Validator above_zero();
CLI::Validator zero_or_more();
CLI::Validator above_zero_or_minus_one();
CLI::Validator between(double least, double most);

// One of the things that a command does: the serving of glint bench.
struct Subcommand {
  std::string_view name;
  const char* summary;
  int (*run)(int argc, char** argv);
};

// Runs the one that is called as argv[1], and returns its exit status. --help lists them.
int run_subcommand(const char* command, std::span<const Subcommand> subcommands, int argc,
                   char** argv);

Error cannot_write(const std::string& path, const char* flag);
// Whether a file that is written at the end of a long run can be: asked before. "" can.
Result<void> check_writable(const std::string& path, const char* flag);

// Parses. A flag may be cut as long as one alone begins so (--num-prompt), as in Python's argparse.
// The exit status if the command is over with that: 0 after --help, 2 after wrong usage
// (whose sentence went to stderr).
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

// The same for a command with --config (apps/config_file.h): `config_path` is what it sets.
std::optional<int> parse_with_config(CLI::App& app, int argc, char** argv,
                                     const std::string& config_path);

}  // namespace glint
