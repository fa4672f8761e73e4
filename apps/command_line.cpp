#include "apps/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include "apps/config_file.h"
#include "base/check.h"

namespace glint {
namespace {

// What is no number at all is left to the option's own type.
template <typename Fits>
CLI::Validator number(const std::string& expected, Fits fits) {
  return CLI::Validator(
      [expected, fits](std::string& text) {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || fits(value))
          return std::string();
        return cat("expected ", expected, ", found ", text);
      },
      "");
}

// The option that alone has a long name beginning with `prefix`, by that name; `prefix` itself if
// it is a name, or none or several have one.
std::string whole_name(const CLI::App& app, const std::string& prefix) {
  const CLI::Option* found = nullptr;
  std::string name = prefix;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& candidate : option->get_lnames()) {
      if (candidate == prefix) return prefix;
      if (!candidate.starts_with(prefix)) continue;
      if (found != nullptr && found != option) return prefix;
      found = option;
      name = candidate;
    }
  }
  return name;
}

// The arguments, last one first as CLI11 wants them, with whole names in place of "--num-prompt".
std::vector<std::string> arguments(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> reversed;
  bool has_names = true;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    has_names = has_names && argument != "--";
    if (has_names && argument.starts_with("--")) {
      const size_t end = std::min(argument.find('='), argument.size());
      argument.replace(2, end - 2, whole_name(app, argument.substr(2, end - 2)));
    }
    reversed.insert(reversed.begin(), std::move(argument));
  }
  return reversed;
}

int wrong_usage(const CLI::App& app, const std::string& message) {
  std::fprintf(stderr, "error: %s\n%s --help lists the flags.\n", message.c_str(),
               app.get_name().c_str());
  return 2;
}

// Why CLI11 found `reversed` to have too many arguments: the first name that is none, and what it
// may begin, or what it says itself.
std::string unexpected(const CLI::App& app, const std::vector<std::string>& reversed,
                       const CLI::ParseError& error) {
  for (auto it = reversed.rbegin(); it != reversed.rend() && *it != "--"; ++it) {
    const std::string name = it->substr(0, it->find('='));
    if (!name.starts_with("--") || app.get_option_no_throw(name) != nullptr) continue;
    std::string longer;
    for (const CLI::Option* option : app.get_options())
      for (const std::string& candidate : option->get_lnames())
        if (candidate.starts_with(name.substr(2))) longer += cat(" --", candidate);
    if (longer.empty()) return cat("there is no flag ", name);
    return cat(name, " may be any of", longer);
  }
  return error.what();
}

std::optional<int> parse(CLI::App& app, const std::vector<std::string>& reversed) {
  try {
    app.parse(std::vector<std::string>(reversed));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ExtrasError& e) {
    return wrong_usage(app, unexpected(app, reversed, e));
  } catch (const CLI::ParseError& e) {
    return wrong_usage(app, e.what());
  }
}

void print_subcommands(const char* command, std::span<const Subcommand> subcommands,
                       std::FILE* out) {
  std::fprintf(out, "usage: %s WHAT [FLAGS]\n\n", command);
  for (const Subcommand& one : subcommands)
    std::fprintf(out, "  %-12s%s\n", one.name.data(), one.summary);
  std::fprintf(out, "\n%s WHAT --help lists the flags.\n", command);
}

}  // namespace

CLI::Validator above_zero() {
  return number("a number above 0", [](double x) { return x > 0; });
}
CLI::Validator zero_or_more() {
  return number("0 or more", [](double x) { return x >= 0; });
}
CLI::Validator above_zero_or_minus_one() {
  return number("a number above 0, or -1", [](double x) { return x > 0 || x == -1; });
}
CLI::Validator between(double least, double most) {
  return number(cat("a number from ", least, " to ", most),
                [=](double x) { return x >= least && x <= most; });
}

CLI::Option* add_model_argument(CLI::App& app, std::string& model, const std::string& names) {
  return app
      .add_option(names, model,
                  "Hugging Face folder, or an id in the local cache; default: the bundled model")
      ->type_name("MODEL");
}

int run_subcommand(const char* command, std::span<const Subcommand> subcommands, int argc,
                   char** argv) {
  const std::string_view what = argc < 2 ? "" : argv[1];
  for (const Subcommand& one : subcommands)
    if (what == one.name) return one.run(argc - 1, argv + 1);
  const bool wants_help = what == "--help" || what == "-h";
  if (what.starts_with('-') && !wants_help)
    std::fprintf(stderr, "%s: WHAT comes first, then its flags; found %s.\n\n", command, argv[1]);
  else if (argc >= 2 && !wants_help)
    std::fprintf(stderr, "%s: there is nothing called \"%s\".\n\n", command, argv[1]);
  print_subcommands(command, subcommands, wants_help ? stdout : stderr);
  return wants_help ? 0 : 2;
}

Error cannot_write(const std::string& path, const char* flag) {
  return {
      ErrorCode::kStartup, cat("Cannot write ", path, ". Name another file with ", flag, "."), {}};
}

Result<void> check_writable(const std::string& path, const char* flag) {
  std::error_code ignored;
  const auto link = std::filesystem::symlink_status(path, ignored);
  const auto file = std::filesystem::status(path, ignored);
  // A pipe's reader would see its end.
  if (path.empty() || std::filesystem::is_other(file)) return {};
  if (!std::ofstream(path, std::ios::app)) return cannot_write(path, flag);
  if (!std::filesystem::exists(link)) std::filesystem::remove(path, ignored);
  return {};
}

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
  return parse(app, arguments(app, argc, argv));
}

std::optional<int> parse_with_config(CLI::App& app, int argc, char** argv,
                                     const std::string& config_path) {
  const std::vector<std::string> typed = arguments(app, argc, argv);
  if (const auto status = parse(app, typed)) return status;
  if (config_path.empty()) return std::nullopt;
  std::set<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options())
    if (option->count() > 0) options.insert(option);
  Result<std::vector<std::string>> more = config_arguments(app, std::string(config_path), options);
  if (!more) return wrong_usage(app, more.error().message);
  std::vector<std::string> all(more->rbegin(), more->rend());
  all.insert(all.begin(), typed.begin(), typed.end());  // the last one is read first
  return parse(app, all);
}

}  // namespace glint
