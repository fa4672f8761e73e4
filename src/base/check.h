#pragma once

// CHECK(condition, parts...): an invariant of ours, on in release too. Prints file, line, condition
// and the parts, then aborts. For what a request or an operator can get wrong, return an Error
// (base/result.h) instead.

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

namespace glint {

// The parts written one after another, as operator<< prints them.
template <typename... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

[[noreturn]] inline void check_failed(const char* file, int line, const char* condition,
                                      const std::string& message) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s%s%s\n", file, line, condition,
               message.empty() ? "" : ": ", message.c_str());
  std::abort();
}

}  // namespace glint

#define CHECK(condition, ...)                                                        \
  do {                                                                               \
    if (!(condition)) [[unlikely]]                                                   \
      ::glint::check_failed(__FILE__, __LINE__, #condition, ::glint::cat(__VA_ARGS__)); \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition, ...) \
  do {                         \
  } while (false)
#else
#define DCHECK(condition, ...) CHECK(condition, __VA_ARGS__)
#endif
