// glint: serves GLM-4.7-Flash. This file only picks the subcommand.

#include <cstdio>
#include <exception>
#include <span>
#include <string_view>

#include "apps/commands.h"
#include "base/log.h"

#ifndef GLINT_VERSION
#error "GLINT_VERSION comes from CMakeLists.txt"
#endif

namespace glint {
namespace {

struct Command {
  std::string_view name;
  const char* summary;
  int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"serve",
     "serve a model over HTTP: OpenAI's chat and Responses, Anthropic's, Ollama's, SGLang's",
     run_serve},
    {"generate", "continue one prompt on the terminal", run_generate},
    {"chat", "talk to a model on the terminal", run_chat},
    {"eval", "score a running server: GSM8K questions, tool calls, perplexity", run_eval},
    {"bench", "measure a running server (serving, sweep), or a model's ops on this machine",
     run_bench},
    {"configure", "find the launch command for a GPU and a load, with its memory and speed",
     run_configure},
    {"doctor", "check GPU, libraries, model files and memory before anything is loaded",
     run_doctor},
};

void print_usage(std::FILE* out) {
  std::fprintf(out,
               "glint: an inference server for GLM-4.7-Flash\n\n"
               "usage: glint COMMAND [MODEL] [FLAGS]\n\n");
  for (const Command& command : kCommands) {
    std::fprintf(out, "  %-10s%s\n", command.name.data(), command.summary);
  }
  std::fprintf(
      out,
      "\nMODEL is a Hugging Face folder, or an id that is in the local cache; without one, a "
      "small\n"
      "trained model that comes with glint is used.\n"
      "glint COMMAND --help lists a command's flags; glint --version prints the version.\n");
}

int dispatch(int argc, char** argv) {
  if (argc < 2) {
    print_usage(stderr);
    return 2;
  }
  const std::string_view name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(stdout);
    return 0;
  }
  if (name == "--version") {
    std::printf("glint %s\n", GLINT_VERSION);
    return 0;
  }
  for (const Command& command : kCommands) {
    if (name == command.name) return command.run(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "glint: there is no command \"%s\".\n\n", argv[1]);
  print_usage(stderr);
  return 2;
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) {
  try {
    const int status = glint::dispatch(argc, argv);
    glint::flush_log();
    return status;
  } catch (const std::exception& e) {  // ours throw nothing: the standard library's bad_alloc
    std::fprintf(stderr, "glint: %s\n", e.what());
    return 1;
  }
}
