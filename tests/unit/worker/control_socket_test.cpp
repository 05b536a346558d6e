#include "worker/control_socket.h"

#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <future>

#include "tests/support/temporary_folder.h"
#include "worker/pod_command.h"

namespace sluice::worker {
namespace {

using testing::TemporaryFolder;

std::string echo(std::string_view question) {
  return "you asked " + std::string(question);
}

int run(const char* command, const std::string& argument) {
  const char* const words[] = {"sluice-worker", command, argument.c_str()};
  return run_pod_command(3, words).value_or(-1);
}

TEST(ControlSocket, AnswersOneLineWithAnother) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "s";
  const auto socket = ControlSocket::open(path, echo);
  ASSERT_TRUE(socket) << socket.error().message;

  EXPECT_EQ(*ask_worker(path, "this"), "you asked this");
  EXPECT_EQ(*ask_worker(path, "that"), "you asked that");
}

// The hook runs as the user of the server's image, the worker as its own.
TEST(ControlSocket, IsOpenToOtherUsers) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "s";
  const auto socket = ControlSocket::open(path, echo);

  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0666u);
}

TEST(ControlSocket, TakesThePlaceOfOneThatWasLeftBehind) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "s";
  std::ofstream(path) << "left";

  const auto socket = ControlSocket::open(path, echo);

  ASSERT_TRUE(socket);
  EXPECT_EQ(*ask_worker(path, "x"), "you asked x");
}

TEST(ControlSocket, AnAnswerThatTakesItsTimeHoldsUpNobody) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "s";
  std::promise<void> go;
  auto went = go.get_future().share();
  const auto socket = ControlSocket::open(path, [went](std::string_view question) {
    if (question == "slow") went.wait();
    return echo(question);
  });
  ASSERT_TRUE(socket);

  auto slow = std::async(std::launch::async, [&] { return ask_worker(path, "slow"); });
  EXPECT_EQ(*ask_worker(path, "quick"), "you asked quick");
  go.set_value();

  EXPECT_EQ(*slow.get(), "you asked slow");
}

TEST(ControlSocket, NobodyThereIsUnavailable) {
  const TemporaryFolder folder;

  const auto answer = ask_worker(folder.path() / "none", "x");

  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

TEST(ControlSocket, RefusesAPathThatIsTooLong) {
  const auto socket = ControlSocket::open("/tmp/" + std::string(200, 'x'), echo);

  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().code, ErrorCode::kInvalidArgument);
}

TEST(PodCommand, ReadyFollowsTheWorkersAnswer) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "s";
  std::atomic<bool> is_ready{false};
  const auto socket = ControlSocket::open(path, [&](std::string_view question) -> std::string {
    return question == "ready" && is_ready ? "ready" : "not yet";
  });
  ASSERT_TRUE(socket);

  EXPECT_EQ(run("ready", path), 1);
  is_ready = true;
  EXPECT_EQ(run("ready", path), 0);
  EXPECT_EQ(run("ready", folder.path() / "none"), 1);
}

TEST(PodCommand, PreStopWaitsForTheWorkersAnswer) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "s";
  std::promise<void> asked;
  std::promise<void> go;
  auto went = go.get_future().share();
  const auto socket = ControlSocket::open(path, [&](std::string_view question) -> std::string {
    if (question != "drain") return "?";
    asked.set_value();
    went.wait();
    return "drained";
  });
  ASSERT_TRUE(socket);

  auto hook = std::async(std::launch::async, [&] { return run("pre-stop", path); });
  asked.get_future().wait();
  EXPECT_EQ(hook.wait_for(std::chrono::seconds::zero()), std::future_status::timeout);
  go.set_value();

  EXPECT_EQ(hook.get(), 0);
}

TEST(PodCommand, OtherArgumentsAreTheWorkersOwn) {
  const char* const words[] = {"sluice-worker", "--queue", "install"};

  EXPECT_FALSE(run_pod_command(3, words));
  EXPECT_FALSE(run_pod_command(1, words));
}

TEST(PodCommand, WantsItsOneArgument) {
  const char* const words[] = {"sluice-worker", "install"};

  EXPECT_EQ(run_pod_command(2, words), 64);
}

TEST(InstallProgram, PutsAnExecutableCopyInAFolderItMakes) {
  const TemporaryFolder folder;
  const std::string from = folder.path() / "from";
  const std::string to = folder.path() / "bin" / "program";
  std::ofstream(from) << "new";
  ASSERT_TRUE(install_program(from, to));
  std::ofstream(from) << "newer";

  ASSERT_TRUE(install_program(from, to));

  std::string text;
  std::ifstream(to) >> text;
  struct stat info{};
  ASSERT_EQ(stat(to.c_str(), &info), 0);
  EXPECT_EQ(text, "newer");
  EXPECT_EQ(info.st_mode & 0777u, 0755u);
}

TEST(InstallProgram, SaysWhatItCouldNotWrite) {
  const TemporaryFolder folder;

  const Status done = install_program(folder.path() / "none", folder.path() / "to");

  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("cannot install"), std::string::npos);
}

}  // namespace
}  // namespace sluice::worker
