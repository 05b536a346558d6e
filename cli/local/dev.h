// `sluice dev`: broker, operator and workers of a folder of manifests in one process tree.
#pragma once

#include <string>

#include "common/base/log.h"

namespace sluice::local {

struct DevOptions {
  std::string folder = ".";                   // of the manifests
  std::string data_folder = ".sluice";        // made when missing
  std::string listen = "127.0.0.1:7070";      // of the broker; port 0 lets the system choose
  bool until_idle = false;                    // end once there is nothing left to do
  std::string default_namespace = "default";  // of manifests that name none
  std::string bin_folder;                     // of sluice-broker and sluice-worker; empty: our own
  LogFormat log_format = LogFormat::kText;
  bool color = true;  // on a terminal; main knows about NO_COLOR
};

// Runs until SIGINT or SIGTERM, until idle where asked for, or until the broker cannot be kept up.
// The exit status: 0 after an orderly end, 1 after a failure that was said on standard error.
// Sets up logging. Handles SIGINT and SIGTERM and becomes a child subreaper for as long as it runs:
// call it once, from main, before any other thread exists.
int run_dev(const DevOptions& options);

}  // namespace sluice::local
