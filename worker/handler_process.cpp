#include "worker/handler_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "common/base/check.h"

namespace sluice::worker {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr int kReadsPerPump = 16;  // of one pipe, so that a chatty handler leaves time for others
constexpr std::size_t kHandlerDescriptors = 6;  // 0 to 2, progress, parents, follow-up jobs
// The ends a handler gets are moved above the numbers they are copied to.
constexpr int kFirstFreeDescriptor = 10;

Error system_error(std::string_view what, int number) {
  const bool is_ours = number == EAGAIN || number == ENOMEM || number == EMFILE || number == ENFILE;
  return {is_ours ? ErrorCode::kUnavailable : ErrorCode::kNotFound,
          std::string(what) + ": " + std::generic_category().message(number)};
}

Error shortage(std::string_view what) {
  return {ErrorCode::kUnavailable,
          std::string(what) + ": " + std::generic_category().message(errno)};
}

struct Pipe {
  Descriptor read_end;   // ours, does not block
  Descriptor write_end;  // the handler's
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return shortage("pipe");
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  const int moved = fcntl(pipe.write_end.get(), F_DUPFD_CLOEXEC, kFirstFreeDescriptor);
  if (moved < 0) return shortage("pipe");
  pipe.write_end = Descriptor(moved);
  if (fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK) != 0) return shortage("pipe");
  return pipe;
}

// The whole text in a file in memory: a handler that reads late, in part or never stalls nobody.
Result<Descriptor> make_input(const char* name, std::string_view bytes, int seals = 0) {
  const Descriptor made(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!made.is_open()) return shortage("memfd_create");
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(made.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return shortage("memfd");
    done += static_cast<std::size_t>(count);
  }
  if (lseek(made.get(), 0, SEEK_SET) != 0) return shortage("memfd");
  if (seals != 0 && fcntl(made.get(), F_ADD_SEALS, seals) != 0) return shortage("memfd");
  const int moved = fcntl(made.get(), F_DUPFD_CLOEXEC, kFirstFreeDescriptor);
  if (moved < 0) return shortage("memfd");
  return Descriptor(moved);
}

std::vector<char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Returns 0 or the error's number.
int spawn(const HandlerProcess::Start& start,
          const std::array<int, kHandlerDescriptors>& descriptors, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  CHECK(posix_spawnattr_init(&attributes) == 0);
  int target = 0;
  for (const int descriptor : descriptors) {
    CHECK(posix_spawn_file_actions_adddup2(&actions, descriptor, target++) == 0);
  }
  // Also what the worker itself inherited without close-on-exec.
  CHECK(posix_spawn_file_actions_addclosefrom_np(&actions, target) == 0);
  // The worker blocks signals and may ignore some; a handler begins as if started from a shell.
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  const int failure =
      posix_spawn(&pid, start.program.c_str(), &actions, &attributes, c_strings(start.argv).data(),
                  c_strings(start.environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return failure;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int Descriptor::release() {
  return std::exchange(fd_, -1);
}

void Descriptor::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Result<std::unique_ptr<HandlerProcess>> HandlerProcess::start(const Start& start) {
  auto input = make_input("sluice-payload", start.input);
  if (!input) return std::move(input).error();
  auto parents = make_input("sluice-parents", start.parents,
                            F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  if (!parents) return std::move(parents).error();
  auto output = make_pipe();
  if (!output) return std::move(output).error();
  auto error = make_pipe();
  if (!error) return std::move(error).error();
  auto progress = make_pipe();
  if (!progress) return std::move(progress).error();
  auto follow_ups = make_pipe();
  if (!follow_ups) return std::move(follow_ups).error();

  pid_t pid = -1;
  const int failure =
      spawn(start,
            {input->get(), output->write_end.get(), error->write_end.get(),
             progress->write_end.get(), parents->get(), follow_ups->write_end.get()},
            pid);
  if (failure != 0) return system_error(start.program, failure);

  std::unique_ptr<HandlerProcess> process(new HandlerProcess(start.output_bytes_max));
  process->pid_ = pid;
  process->exit_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process->exit_.is_open()) return shortage("pidfd_open");
  process->output_pipe_ = std::move(output->read_end);
  process->error_pipe_ = std::move(error->read_end);
  process->progress_pipe_ = std::move(progress->read_end);
  process->follow_up_pipe_ = std::move(follow_ups->read_end);
  return process;
}

HandlerProcess::~HandlerProcess() {
  if (pid_ < 0) return;
  signal(SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void HandlerProcess::add_poll(std::vector<pollfd>& polled) const {
  for (const Descriptor* one :
       {&exit_, &output_pipe_, &error_pipe_, &progress_pipe_, &follow_up_pipe_}) {
    if (one->is_open()) polled.push_back({one->get(), POLLIN, 0});
  }
}

bool HandlerProcess::read_from(Descriptor& pipe, void (HandlerProcess::*take)(std::string_view)) {
  std::array<char, kReadBytes> bytes;
  for (int reads = 0; pipe.is_open() && reads < kReadsPerPump;) {
    const ssize_t count = read(pipe.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return false;
    if (count <= 0) {
      pipe.reset();
      return false;
    }
    (this->*take)({bytes.data(), static_cast<std::size_t>(count)});
    ++reads;
  }
  return pipe.is_open();
}

void HandlerProcess::pump() {
  read_from(output_pipe_, &HandlerProcess::take_output);
  read_from(error_pipe_, &HandlerProcess::take_error);
  read_from(progress_pipe_, &HandlerProcess::take_progress_bytes);
  read_from(follow_up_pipe_, &HandlerProcess::take_follow_ups);
}

void HandlerProcess::signal(int number) const {
  // The group lives while its leader is not collected, even when that has ended: no other process
  // can have its number.
  if (pid_ > 0) kill(-pid_, number);
}

bool HandlerProcess::has_exited() const {
  pollfd ended{exit_.get(), POLLIN, 0};
  return poll(&ended, 1, 0) > 0;
}

HandlerExit HandlerProcess::finish() {
  CHECK(pid_ > 0 && has_exited());
  signal(SIGKILL);
  HandlerExit exit;
  while (waitpid(pid_, &exit.wait_status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  // What was written before the end is in the pipes. A process that left the group may hold them
  // open, so their end is not waited for.
  pump();
  while (read_from(output_pipe_, &HandlerProcess::take_output) && !output_.is_cut()) {
  }
  while (read_from(follow_up_pipe_, &HandlerProcess::take_follow_ups) && !follow_ups_.is_cut()) {
  }
  exit.output_cut = output_.is_cut();
  exit.output = output_.take();
  exit.error_tail = error_tail_.text();
  exit.follow_ups_cut = follow_ups_.is_cut();
  exit.follow_ups = follow_ups_.take();
  return exit;
}

}  // namespace sluice::worker
