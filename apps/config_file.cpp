#include "apps/config_file.h"

#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "base/check.h"

namespace glint {
namespace {

struct Entry {
  std::string key;
  std::vector<std::string> values;
  bool is_list = false;
  int line = 0;
};

Error wrong(const std::string& path, int line, std::string_view message) {
  return {ErrorCode::kInvalidRequest, cat(path, ":", line, ": ", message), {}};
}

int line_of(const YAML::Node& node) { return node.Mark().line + 1; }

// "--Max_total_tokens" → "max-total-tokens"
std::string flag_name(std::string key) {
  key.erase(0, std::min(key.find_first_not_of('-'), key.size()));
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

// A key without a value is as if it were not there.
Result<Entry> read_entry(const std::string& path, const YAML::Node& key, const YAML::Node& value) {
  if (!key.IsScalar()) return wrong(path, line_of(key), "expected a flag's name before the colon.");
  Entry entry{.key = flag_name(key.Scalar()),
              .values = {},
              .is_list = value.IsSequence(),
              .line = line_of(key)};
  if (value.IsMap())
    return wrong(path, entry.line, cat(entry.key, " has keys of its own; expected a value."));
  if (value.IsScalar()) entry.values.push_back(value.Scalar());
  for (const YAML::Node& item : value) {
    if (!item.IsScalar())
      return wrong(path, line_of(item), cat(entry.key, ": expected a list of plain values."));
    entry.values.push_back(item.Scalar());
  }
  if (std::ranges::count(entry.values, "") > 0)
    return wrong(path, entry.line, cat(entry.key, " is an empty text; expected a value."));
  return entry;
}

Result<std::vector<Entry>> read_entries(const std::string& path) {
  std::vector<Entry> entries;
  try {
    const YAML::Node root = YAML::LoadFile(path);
    if (root.IsNull()) return entries;
    if (!root.IsMap())
      return wrong(path, line_of(root), "expected lines of the form \"flag: value\".");
    for (const auto& pair : root) entries.push_back(TRY(read_entry(path, pair.first, pair.second)));
  } catch (const YAML::BadFile&) {
    return Error{ErrorCode::kInvalidRequest, cat("--config ", path, ": cannot read it."), {}};
  } catch (const YAML::Exception& e) {
    return wrong(path, e.mark.line + 1, cat("not YAML: ", e.msg, "."));
  }
  return entries;
}

const CLI::Option* find_option(const CLI::App& app, const std::string& name) {
  for (const CLI::Option* option : app.get_options()) {
    const std::vector<std::string>& names = option->get_lnames();
    if (name != "help" && std::ranges::count(names, name) > 0) return option;
  }
  return nullptr;
}

// Nothing: the flag is off.
Result<std::vector<std::string>> switch_argument(const std::string& path, const Entry& entry) {
  const YAML::Node value(entry.values.empty() ? "" : entry.values[0]);
  bool is_on = false;
  if (entry.is_list || !YAML::convert<bool>::decode(value, is_on)) {
    const std::string found = entry.is_list ? "a list" : entry.values[0];
    return wrong(path, entry.line, cat(entry.key, " is ", found, "; expected true or false."));
  }
  if (!is_on) return std::vector<std::string>();
  return std::vector<std::string>{"--" + entry.key};
}

Result<std::vector<std::string>> arguments_of(const std::string& path, const CLI::Option& option,
                                              const Entry& entry) {
  std::vector<std::string> arguments;
  if (entry.values.empty()) return arguments;
  if (option.get_items_expected_max() == 0) return switch_argument(path, entry);
  if (entry.is_list && option.get_items_expected_max() == 1)
    return wrong(path, entry.line, cat(entry.key, " is a list; expected one value."));
  for (const std::string& value : entry.values)
    arguments.push_back(cat("--", entry.key, "=", value));
  return arguments;
}

// Whether `app` takes them, as they are and alone.
Result<void> try_arguments(CLI::App& app, const std::string& path, int line,
                           std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& e) {
    return wrong(path, line, e.what());
  }
  return {};
}

Result<void> check_once(const std::string& path, const Entry& entry, const CLI::Option* option,
                        std::map<const CLI::Option*, int>& lines) {
  const auto [first, is_new] = lines.emplace(option, entry.line);
  if (is_new) return {};
  return wrong(path, entry.line, cat(entry.key, " was set in line ", first->second, " already."));
}

}  // namespace

Result<std::vector<std::string>> config_arguments(CLI::App& app, const std::string& path,
                                                  const std::set<const CLI::Option*>& typed) {
  std::vector<std::string> all;
  std::map<const CLI::Option*, int> lines;
  for (const Entry& entry : TRY(read_entries(path))) {
    const CLI::Option* option = find_option(app, entry.key);
    if (option == nullptr || entry.key == "config") {
      return wrong(path, entry.line,
                   cat("there is no flag --", entry.key, " to set here; ", app.get_name(),
                       " --help lists them."));
    }
    TRY(check_once(path, entry, option, lines));
    const std::vector<std::string> arguments = TRY(arguments_of(path, *option, entry));
    TRY(try_arguments(app, path, entry.line, arguments));
    if (!typed.contains(option)) all.insert(all.end(), arguments.begin(), arguments.end());
  }
  return all;
}

}  // namespace glint
