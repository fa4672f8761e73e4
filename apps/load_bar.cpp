#include "apps/load_bar.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace glint {

namespace {

std::string bar(const LoadProgress& p) {
  constexpr size_t kWidth = 24;
  std::string text(kWidth * p.num_done / p.num_requests, '#');
  text.resize(kWidth, ' ');
  return "[" + text + "] ";
}

}  // namespace

void LoadBar::update(const LoadProgress& p) {
  const bool is_terminal = isatty(2) == 1, is_last = p.num_done == p.num_requests;
  const int tenths = static_cast<int>(10 * p.num_done / p.num_requests);
  if (!is_terminal && tenths == shown_tenths_) return;
  shown_tenths_ = tenths;
  std::fprintf(stderr, "%s%zu of %zu requests, %d running, %lld tokens, %.0f tok/s, %.0f s%s%s",
               is_terminal ? ("\r\033[K" + bar(p)).c_str() : "", p.num_done, p.num_requests,
               p.num_running, static_cast<long long>(p.num_tokens), p.tokens_per_s, p.elapsed_s,
               p.num_failed > 0 ? ", some failed" : "", !is_terminal || is_last ? "\n" : "");
}

void raise_connection_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace glint
