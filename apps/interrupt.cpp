#include "apps/interrupt.h"

#include <signal.h>
#include <unistd.h>

namespace glint {
namespace {

std::atomic<bool> came = false;
std::string_view said_then;

void note(int) {
  came = true;
  [[maybe_unused]] const auto written = write(STDERR_FILENO, said_then.data(), said_then.size());
}

}  // namespace

const std::atomic<bool>& ctrl_c_came() { return came; }

void note_ctrl_c(std::string_view said) {
  said_then = said;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  struct sigaction before {};
  sigaction(SIGINT, nullptr, &before);
  // A shell has its background jobs ignore it: it is meant for others then.
  if (before.sa_handler != SIG_IGN) sigaction(SIGINT, &action, nullptr);
}

}  // namespace glint
