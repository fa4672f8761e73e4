#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace glint {

// A null_server as a child process, seen from outside.
class ServerProcess {
 public:
  // Starts `command` and waits until it listens. `cpu` is the one core that it may use; -1: any.
  static Result<ServerProcess> start(const std::vector<std::string>& command, int cpu);
  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess& operator=(ServerProcess&&) = delete;
  ~ServerProcess();

  uint16_t port() const { return port_; }
  int64_t resident_bytes() const;
  int num_descriptors() const;
  // SIGTERM, and waits. True if it ended with 0.
  bool stop();

 private:
  ServerProcess(pid_t pid, int log) : pid_(pid), log_(log) {}
  Result<void> wait_until_it_listens();

  pid_t pid_;
  int log_;  // the reading end of its stderr
  uint16_t port_ = 0;
};

// Lets this process run on one core only.
void stay_on_cpu(int cpu);

}  // namespace glint
