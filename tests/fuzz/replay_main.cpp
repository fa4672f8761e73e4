// Checks inputs that are files, without libFuzzer: replay FILE_OR_FOLDER...

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fuzz/fuzz.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

int replay(const fs::path& path) {
  int num_inputs = 0;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) num_inputs += replay(entry.path());
    return num_inputs;
  }
  std::ifstream file(path, std::ios::binary);
  CHECK(file, path, " cannot be read");
  const std::string input((std::istreambuf_iterator<char>(file)), {});
  std::printf("%s\n", path.c_str());
  std::fflush(stdout);  // the last line names the input that fails
  check_input(input);
  return 1;
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) {
  int num_inputs = 0;
  for (int i = 1; i < argc; ++i) num_inputs += glint::replay(argv[i]);
  std::printf("%d inputs\n", num_inputs);
  return num_inputs > 0 ? 0 : 1;
}
