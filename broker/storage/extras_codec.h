// JobExtras inside job and finished records.
#pragma once

#include <memory>

#include "broker/engine/types.h"
#include "broker/storage/bytes.h"

namespace sluice::broker {

void write_extras(const JobExtras& extras, ByteWriter& out);

// Mistakes stick in the reader.
std::unique_ptr<JobExtras> read_extras(ByteReader& in);

// 16 bytes, most significant first.
void write_uuid(const Uuid& id, ByteWriter& out);
Uuid read_uuid(ByteReader& in, const char* what);
Hash128 read_hash(ByteReader& in, const char* what);

// Microseconds since 1970.
void write_time(TimePoint time, ByteWriter& out);
TimePoint read_time(ByteReader& in, const char* what);
// As the distance from a time written before: short when the two are close.
void write_time_after(TimePoint base, TimePoint time, ByteWriter& out);
TimePoint read_time_after(TimePoint base, ByteReader& in, const char* what);

}  // namespace sluice::broker
