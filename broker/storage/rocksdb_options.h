// RocksDB's settings and the reasons for them. Includes RocksDB: for .cpp files of this folder
// only.
#pragma once

#include <rocksdb/options.h>

#include <memory>
#include <string_view>

#include "broker/storage/key_value_engine.h"
#include "common/base/clock.h"

namespace sluice::broker {

// The column family's name on disk. The meta family is RocksDB's default one, so that its schema
// version can be read whatever other families a newer version made.
std::string_view family_name(Family family);

rocksdb::DBOptions database_options(std::shared_ptr<rocksdb::Cache> cache);
rocksdb::ColumnFamilyOptions family_options(Family family, std::shared_ptr<rocksdb::Cache> cache,
                                            const Clock& clock);
// Shared by memory tables, blocks, indexes and filters.
std::shared_ptr<rocksdb::Cache> make_cache();

}  // namespace sluice::broker
