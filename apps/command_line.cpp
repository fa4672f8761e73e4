#include "apps/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace glint {

CLI::Option* add_model_argument(CLI::App& app, std::string& model, const std::string& names) {
  return app
      .add_option(names, model,
                  "Hugging Face folder, or an id in the local cache; default: the bundled model")
      ->type_name("MODEL");
}

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
