// A way to a service of the cluster from outside of it: `kubectl port-forward`, which every user of
// a cluster has.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "common/base/result.h"

namespace sluice::cli {

struct ForwardTarget {
  std::string kubeconfig;  // empty: kubectl's own way of finding it
  std::string context;     // empty: the current one
  std::string namespace_name;
  std::string service;
  int port = 7070;
};

// A child process; ends with this object, and with this process.
class PortForward {
 public:
  // Returns once the port accepts connections. kUnavailable, with what kubectl said, when it does
  // not; kNotFound when there is no kubectl.
  static Result<std::unique_ptr<PortForward>> open(const ForwardTarget& target);
  ~PortForward();
  PortForward(const PortForward&) = delete;
  PortForward& operator=(const PortForward&) = delete;

  int local_port() const { return local_port_; }  // on 127.0.0.1

 private:
  explicit PortForward(pid_t pid, int output) : pid_(pid), output_(output) {}
  // Everything printed until the port is known or the output ends.
  std::string read_port();

  pid_t pid_;
  int output_;
  int local_port_ = 0;
};

}  // namespace sluice::cli
