// Commands run against a fake server, with their output caught.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>
#include <string>

#include "cli/commands.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/cli/fake_transport.h"

namespace sluice::cli::testing {

class CommandTest : public ::testing::Test {
 protected:
  template <typename T>
  ExitCode execute(const T& command) {
    ServerClient server(transport_, "default");
    const Console console{
        .out = out_, .err = err_, .in_fd = in_fd_, .out_is_terminal = out_is_terminal_};
    const Context context{.options = options_,
                          .server = server,
                          .server_url = "http://127.0.0.1:7070",
                          .console = console,
                          .clock = clock_,
                          .wait = [this](Duration d) { clock_.advance(d); },
                          .fresh_key = "cli-test"};
    return run(context, command);
  }

  // What the command reads on standard input. At most a pipe's buffer.
  void type(const std::string& text) {
    ASSERT_EQ(::pipe(pipe_), 0);
    ASSERT_EQ(::write(pipe_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(pipe_[1]);
    in_fd_ = pipe_[0];
  }
  void TearDown() override {
    if (in_fd_ >= 0) ::close(in_fd_);
  }

  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  Options options_;
  FakeTransport transport_;
  sluice::testing::ManualClock clock_;
  bool out_is_terminal_ = false;

 private:
  std::ostringstream out_;
  std::ostringstream err_;
  int pipe_[2] = {-1, -1};
  int in_fd_ = -1;
};

}  // namespace sluice::cli::testing
