// The batch behind Store::begin_batch(): the engine's records, encoded as they come.
#pragma once

#include <memory>
#include <string>

#include "broker/storage/key_value_engine.h"
#include "broker/storage/store.h"

namespace sluice::broker {

class KeyValueRecordBatch final : public RecordBatch, private RecordSink {
 public:
  explicit KeyValueRecordBatch(std::unique_ptr<KeyValueBatch> batch);

  RecordSink& sink() override { return *this; }
  bool empty() const override { return batch_->empty(); }
  std::size_t size_bytes() const override { return batch_->size_bytes(); }
  bool needs_sync() const override { return needs_sync_; }
  const KeyValueBatch& writes() const { return *batch_; }

 private:
  void put_body(QueueNumber queue, JobId id, std::string_view traceparent,
                std::string_view payload) override;
  void drop_body(QueueNumber queue, JobId id) override;
  void put_job(const JobRecord& record) override;
  void drop_job(QueueNumber queue, JobId id) override;
  void put_dead(const JobRecord& record) override;
  void drop_dead(QueueNumber queue, JobId id) override;
  void put_claim(const ClaimRecord& record) override;
  void drop_claim(ClaimNumber number) override;
  void put_finished(const FinishedRecord& record) override;
  void put_outcome(const FinishedRecord& record) override;
  void drop_outcome(QueueNumber queue, JobId id) override;
  void put_key(const KeyRecord& record) override;
  void put_queue(const QueueRecord& record) override;
  void drop_queue(QueueNumber queue) override;
  void put_schedule(const ScheduleRecord& record) override;
  void put_redrive(const RedriveRecord& record) override;
  void drop_redrive(QueueNumber queue, Uuid id) override;
  void put_group(const GroupRecord& record) override;
  void drop_group(QueueNumber queue, Uuid id) override;

  // The batch copies, so one buffer serves every value and one the keys.
  std::string& empty_value() {
    value_.clear();
    return value_;
  }
  std::string_view key_of(QueueNumber queue, JobId id);

  // Everything but claims goes in through here.
  KeyValueBatch& synced() {
    needs_sync_ = true;
    return *batch_;
  }

  std::unique_ptr<KeyValueBatch> batch_;
  bool needs_sync_ = false;
  std::string value_;
  std::string key_;
};

}  // namespace sluice::broker
