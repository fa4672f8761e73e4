#pragma once

// The subcommands of glint, one file each. Each parses its own flags, prints data to stdout and
// messages to stderr, and returns the exit status: 0, 1 (it failed) or 2 (wrong usage).

namespace glint {

int run_serve(int argc, char** argv);
int run_generate(int argc, char** argv);
int run_chat(int argc, char** argv);
int run_doctor(int argc, char** argv);
int run_eval(int argc, char** argv);
int run_bench(int argc, char** argv);
int run_configure(int argc, char** argv);
int run_bench_serving(int argc, char** argv);
int run_bench_sweep(int argc, char** argv);

}  // namespace glint
