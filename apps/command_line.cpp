#include "apps/command_line.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>

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

}  // namespace

CLI::Validator above_zero() {
  return number("a number above 0", [](double x) { return x > 0; });
}
CLI::Validator zero_or_more() {
  return number("0 or more", [](double x) { return x >= 0; });
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
