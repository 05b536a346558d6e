// The chart's release that the tests run against. Whoever changes it puts it back:
// `install_release()`.
#pragma once

#include <string>
#include <vector>

namespace sluice::testing {

// Installs or upgrades with the box's values and `more` arguments of helm, and waits for the pods.
// Fails the test when helm does.
void install_release(const std::vector<std::string>& more = {});
// What it leaves is what users keep.
void uninstall_release();

}  // namespace sluice::testing
