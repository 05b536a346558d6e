#include "broker/storage/record_batch.h"

#include <utility>

#include "broker/storage/group_codec.h"
#include "broker/storage/record_codec.h"
#include "broker/storage/redrive_codec.h"
#include "common/base/check.h"

namespace sluice::broker {

KeyValueRecordBatch::KeyValueRecordBatch(std::unique_ptr<KeyValueBatch> batch)
    : batch_(std::move(batch)) {}

std::string_view KeyValueRecordBatch::key_of(QueueNumber queue, JobId id) {
  key_.clear();
  encode_job_key(queue, id, key_);
  return key_;
}

void KeyValueRecordBatch::put_body(QueueNumber queue, JobId id, std::string_view traceparent,
                                   std::string_view payload) {
  encode_body(traceparent, payload, empty_value());
  synced().put(Family::kBodies, key_of(queue, id), value_);
}

void KeyValueRecordBatch::drop_body(QueueNumber queue, JobId id) {
  synced().remove_once(Family::kBodies, key_of(queue, id));
}

void KeyValueRecordBatch::put_job(const JobRecord& record) {
  encode_job(record, empty_value());
  synced().put(Family::kJobs, key_of(record.queue, record.id), value_);
}

void KeyValueRecordBatch::drop_job(QueueNumber queue, JobId id) {
  synced().remove(Family::kJobs, key_of(queue, id));
}

void KeyValueRecordBatch::put_dead(const JobRecord& record) {
  encode_job(record, empty_value());
  synced().put(Family::kDead, key_of(record.queue, record.id), value_);
}

void KeyValueRecordBatch::drop_dead(QueueNumber queue, JobId id) {
  synced().remove(Family::kDead, key_of(queue, id));
}

void KeyValueRecordBatch::put_claim(const ClaimRecord& record) {
  encode_claim(record, empty_value());
  batch_->put(Family::kClaims, claim_key(record.number), value_);
}

void KeyValueRecordBatch::drop_claim(ClaimNumber number) {
  batch_->remove(Family::kClaims, claim_key(number));
}

void KeyValueRecordBatch::put_finished(const FinishedRecord& record) {
  encode_finished(record, empty_value());
  synced().put(Family::kFinished, key_of(record.queue, record.id), value_);
}

void KeyValueRecordBatch::put_outcome(const FinishedRecord& record) {
  encode_finished(record, empty_value());
  synced().put(Family::kOutcomes, key_of(record.queue, record.id), value_);
}

void KeyValueRecordBatch::drop_outcome(QueueNumber queue, JobId id) {
  synced().remove(Family::kOutcomes, key_of(queue, id));
}

void KeyValueRecordBatch::put_key(const KeyRecord& record) {
  encode_key(record, empty_value());
  synced().put(Family::kKeys, idempotency_record_key(record.queue, record.key), value_);
}

void KeyValueRecordBatch::put_queue(const QueueRecord& record) {
  encode_queue(record, empty_value());
  synced().put(Family::kMeta, queue_key(record.number), value_);
}

// Claims are keyed by their own number; those of a dropped queue are removed by the next load.
void KeyValueRecordBatch::drop_queue(QueueNumber queue) {
  const std::string begin = queue_prefix(queue);
  const std::string end = end_of_prefix(begin);
  CHECK(!end.empty());  // queue numbers count up from 1 and never get there
  for (const Family family : {Family::kJobs, Family::kDead, Family::kBodies, Family::kFinished,
                              Family::kOutcomes, Family::kKeys}) {
    synced().remove_range(family, begin, end);
  }
  for (const std::string& prefix :
       {schedule_prefix(queue), redrive_prefix(queue), group_prefix(queue)}) {
    synced().remove_range(Family::kMeta, prefix, end_of_prefix(prefix));
  }
  synced().remove(Family::kMeta, queue_key(queue));
}

void KeyValueRecordBatch::put_schedule(const ScheduleRecord& record) {
  encode_schedule(record, empty_value());
  synced().put(Family::kMeta, schedule_key(record.queue, record.uid), value_);
}

void KeyValueRecordBatch::put_redrive(const RedriveRecord& record) {
  encode_redrive(record, empty_value());
  synced().put(Family::kMeta, redrive_key(record.queue, record.id), value_);
}

void KeyValueRecordBatch::drop_redrive(QueueNumber queue, Uuid id) {
  synced().remove(Family::kMeta, redrive_key(queue, id));
}

void KeyValueRecordBatch::put_group(const GroupRecord& record) {
  encode_group(record, empty_value());
  synced().put(Family::kMeta, group_key(record.queue, record.id), value_);
}

void KeyValueRecordBatch::drop_group(QueueNumber queue, Uuid id) {
  synced().remove(Family::kMeta, group_key(queue, id));
}

}  // namespace sluice::broker
