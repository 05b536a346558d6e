// Host names to addresses, without waiting longer than asked.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace sluice::http {

// One lookup, by c-ares: the C library's resolver needs shared objects, which a static binary in an
// empty image does not have, and can be neither bounded nor interrupted. Reads /etc/hosts and
// /etc/resolv.conf (search domains, ndots) as they are at the time.
//
// Threads: find() by one, cancel() by any.
class AddressLookup {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  AddressLookup();
  ~AddressLookup();
  AddressLookup(const AddressLookup&) = delete;
  AddressLookup& operator=(const AddressLookup&) = delete;

  // Numeric addresses, in the order to try them; numeric hosts and localhost are answered at once.
  Result<std::vector<std::string>> find(const std::string& host, Deadline deadline);

  // find() under way and later ones fail with kUnavailable.
  void cancel();

 private:
  int cancelled_ = -1;  // an eventfd, readable once cancelled
};

}  // namespace sluice::http
