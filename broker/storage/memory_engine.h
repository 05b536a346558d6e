// The key-value engine for tests and for brokers that need not outlive their process.
#pragma once

#include <memory>

#include "broker/storage/key_value_engine.h"

namespace sluice::broker {

// Ordered maps under a mutex. A snapshot shares them until the next write, which then copies the
// families it touches. Never fails; tests/support/memory_disk.h adds power cuts and failed writes.
std::unique_ptr<KeyValueEngine> make_memory_engine();

}  // namespace sluice::broker
