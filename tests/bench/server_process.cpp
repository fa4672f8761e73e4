#include "server_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <utility>

namespace glint {
namespace {

[[noreturn]] void become(const std::vector<std::string>& command, int cpu, int log) {
  if (cpu >= 0) stay_on_cpu(cpu);
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // a test that is stopped leaves no server behind
  dup2(log, STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

void stay_on_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  CHECK(sched_setaffinity(0, sizeof(set), &set) == 0, "core ", cpu, " cannot be had");
}

Result<ServerProcess> ServerProcess::start(const std::vector<std::string>& command, int cpu) {
  std::array<int, 2> pipe_ends{};
  CHECK(pipe2(pipe_ends.data(), O_CLOEXEC) == 0, "no pipe");
  const pid_t pid = fork();
  CHECK(pid >= 0, "no further process");
  if (pid == 0) become(command, cpu, pipe_ends[1]);
  close(pipe_ends[1]);
  ServerProcess server(pid, pipe_ends[0]);
  TRY(server.wait_until_it_listens());
  return server;
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), log_(std::exchange(other.log_, -1)), port_(other.port_) {}

ServerProcess::~ServerProcess() {
  stop();
  if (log_ >= 0) close(log_);
}

Result<void> ServerProcess::wait_until_it_listens() {
  constexpr std::string_view kBefore = "listening on http://127.0.0.1:";
  std::string text;
  std::array<char, 512> buffer;
  while (true) {
    const ssize_t size = read(log_, buffer.data(), buffer.size());
    if (size <= 0) return Error{ErrorCode::kStartup, cat("The server did not start: ", text)};
    text.append(buffer.data(), static_cast<size_t>(size));
    const size_t at = text.find(kBefore);
    if (at == text.npos || text.find('\n', at) == text.npos) continue;
    std::from_chars(text.data() + at + kBefore.size(), text.data() + text.size(), port_);
    return {};
  }
}

int64_t ServerProcess::resident_bytes() const {
  std::ifstream file(cat("/proc/", pid_, "/statm"));
  int64_t pages = 0, resident_pages = 0;
  file >> pages >> resident_pages;
  CHECK(file, "the server is gone");
  return resident_pages * sysconf(_SC_PAGESIZE);
}

int ServerProcess::num_descriptors() const {
  const std::filesystem::directory_iterator files(cat("/proc/", pid_, "/fd"));
  return static_cast<int>(std::distance(begin(files), end(files)));
}

bool ServerProcess::stop() {
  if (pid_ == 0) return true;
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(std::exchange(pid_, 0), &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace glint
