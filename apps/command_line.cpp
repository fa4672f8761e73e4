#include "apps/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace glint {

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "error: %s\n%s --help lists the flags.\n", e.what(),
                 app.get_name().c_str());
    return 2;
  }
}

}  // namespace glint
