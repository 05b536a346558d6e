#include "broker/storage/store.h"

#include "broker/storage/key_value_engine.h"
#include "broker/storage/record_codec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_disk.h"
#include "tests/unit/broker/storage/recording_visitor.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr QueueNumber kOrders{1};
constexpr QueueNumber kMails{2};
constexpr TimePoint kNow{1'800'000'000s};

JobId id(std::uint64_t n) {
  return {1, n};
}

JobRecord job(std::uint64_t n, QueueNumber queue = kOrders) {
  return {.queue = queue, .id = id(n), .created_at = kNow, .due_at = kNow};
}

JobRecord dead_job(std::uint64_t n, QueueNumber queue = kOrders) {
  JobRecord record = job(n, queue);
  record.state = api::JobState::kDead;
  record.finished_at = kNow;
  return record;
}

FinishedRecord finished_job(std::uint64_t n, TimePoint expires_at, QueueNumber queue = kOrders) {
  return {.queue = queue,
          .id = id(n),
          .created_at = kNow,
          .due_at = kNow,
          .finished_at = kNow,
          .expires_at = expires_at,
          .result_json = "{\"n\":1}"};
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { reopen(); }

  void reopen() {
    store_.reset();
    auto store = Store::open(disk_.open());
    ASSERT_TRUE(store);
    store_ = std::move(*store);
  }

  template <typename Fill>
  void commit(Fill fill, bool sync = true) {
    const auto batch = store_->begin_batch();
    fill(batch->sink());
    ASSERT_TRUE(store_->commit(*batch, sync));
  }

  std::vector<std::string> load() {
    RecordingVisitor visitor;
    EXPECT_TRUE(store_->load(visitor));
    return visitor.seen;
  }

  std::optional<StoredJob> find(std::uint64_t n, TimePoint now = kNow) {
    auto found = store_->find(kOrders, id(n), now);
    CHECK(static_cast<bool>(found));
    return std::move(*found);
  }

  ListPage list(ListScope scope, std::optional<JobId> after = {}, std::size_t limit = 100,
                std::size_t row_budget = 100) {
    auto page = store_->list(kOrders, scope, after, limit, row_budget, kNow,
                             [](const StoredJob&) { return true; });
    CHECK(static_cast<bool>(page));
    return std::move(*page);
  }

  static std::vector<std::uint64_t> ids(const ListPage& page) {
    std::vector<std::uint64_t> ids;
    for (const StoredJob& stored : page.jobs) ids.push_back(stored.job.id.lo);
    return ids;
  }

  void put_everything(QueueNumber queue, const std::string& name) {
    commit([&](RecordSink& sink) {
      sink.put_queue({.number = queue, .name = {"default", name}});
      sink.put_schedule({.queue = queue, .uid = "tick-" + name, .last_tick = kNow});
      sink.put_redrive({.queue = queue, .id = id(5)});
      sink.put_group({.queue = queue, .id = id(6)});
      sink.put_job(job(1, queue));
      sink.put_body(queue, id(1), "", "1");
      sink.put_dead(dead_job(2, queue));
      sink.put_finished(finished_job(3, kNow + 1h, queue));
      sink.put_outcome(finished_job(4, kNow + 1h, queue));
      sink.put_key({.queue = queue, .id = id(1)});
      sink.put_claim({.number = ClaimNumber{static_cast<std::uint64_t>(queue)},
                      .queue = queue,
                      .worker = "worker-" + name});
    });
  }

  testing::MemoryDisk disk_;
  std::unique_ptr<Store> store_;
};

// --- opening -----------------------------------------------------------------------------------

TEST_F(StoreTest, BootNumbersIncreaseFromOne) {
  EXPECT_EQ(store_->boot(), 1u);
  reopen();
  EXPECT_EQ(store_->boot(), 2u);
}

// SURVIVAL 20: a boot number that was handed out is never handed out again.
TEST_F(StoreTest, BootNumberSurvivesAPowerCut) {
  store_.reset();
  disk_.lose_unsynced();
  reopen();

  EXPECT_EQ(store_->boot(), 2u);
}

TEST_F(StoreTest, OpenFailsWhenTheBootNumberCannotBeWritten) {
  store_.reset();
  disk_.fail_write(1);

  EXPECT_FALSE(Store::open(disk_.open()));
}

TEST_F(StoreTest, NewerSchemaIsRefusedByName) {
  store_.reset();
  auto engine = disk_.open();
  const auto batch = engine->new_batch();
  std::string version;
  encode_number(7, version);
  batch->put(Family::kMeta, kSchemaKey, version);
  ASSERT_TRUE(engine->write(*batch, true));

  const auto store = Store::open(std::move(engine));

  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kCorruption);
  EXPECT_THAT(store.error().message,
              HasSubstr("written by a newer Sluice (schema 7, this one knows 1)"));
}

TEST_F(StoreTest, DataWithoutASchemaIsRefused) {
  testing::MemoryDisk other;
  auto engine = other.open();
  const auto batch = engine->new_batch();
  batch->put(Family::kJobs, "k", "v");
  ASSERT_TRUE(engine->write(*batch, true));

  const auto store = Store::open(std::move(engine));

  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kCorruption);
}

// --- loading -----------------------------------------------------------------------------------

TEST_F(StoreTest, LoadHandsOverInTheEnginesOrder) {
  put_everything(kOrders, "orders");
  put_everything(kMails, "mails");
  reopen();

  EXPECT_THAT(load(),
              ElementsAre("queue 1 orders", "queue 2 mails", "schedule 1 tick-orders",
                          "schedule 2 tick-mails", "redrive 1 5", "redrive 2 5", "group 1 6",
                          "group 2 6", "job 1 1", "job 2 1", "dead 1 2", "dead 2 2", "outcome 1 4",
                          "outcome 2 4", "claim 1 worker-orders", "claim 2 worker-mails"));
}

TEST_F(StoreTest, LoadGivesExtrasOnlyToJobsThatHaveThem) {
  JobExtras extras;
  extras.worker = "w";
  JobRecord with_extras = job(2);
  with_extras.extras = &extras;
  commit([&](RecordSink& sink) {
    sink.put_job(job(1));
    sink.put_job(with_extras);
  });

  EXPECT_THAT(load(), ElementsAre("job 1 1", "job 1 2 worker w"));
}

TEST_F(StoreTest, VisitorsRefusalEndsTheLoad) {
  put_everything(kOrders, "orders");
  RecordingVisitor visitor;
  visitor.refuse = "dead 1 2";

  const Status status = store_->load(visitor);

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "refused dead 1 2");
}

TEST_F(StoreTest, DamagedRecordEndsTheLoad) {
  store_.reset();
  auto engine = disk_.open();
  const auto batch = engine->new_batch();
  batch->put(Family::kJobs, job_key(kOrders, id(1)), "\x01");
  ASSERT_TRUE(engine->write(*batch, true));
  auto store = Store::open(std::move(engine));
  ASSERT_TRUE(store);
  RecordingVisitor visitor;

  const Status status = (*store)->load(visitor);

  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCorruption);
}

// --- queues ------------------------------------------------------------------------------------

TEST_F(StoreTest, DroppedQueueLeavesOthersAlone) {
  put_everything(kOrders, "orders");
  put_everything(kMails, "mails");

  commit([](RecordSink& sink) { sink.drop_queue(kOrders); });
  reopen();

  EXPECT_THAT(load(),
              ElementsAre("queue 2 mails", "schedule 2 tick-mails", "redrive 2 5", "group 2 6",
                          "job 2 1", "dead 2 2", "outcome 2 4", "claim 2 worker-mails"));
  EXPECT_FALSE(find(1));
  EXPECT_FALSE(find(3));
  EXPECT_FALSE(*store_->key(kOrders, {}));
  EXPECT_TRUE(*store_->key(kMails, {}));
  EXPECT_FALSE(store_->bodies(kOrders, std::vector{id(1)})->front());
  EXPECT_TRUE(store_->bodies(kMails, std::vector{id(1)})->front());
}

TEST_F(StoreTest, ClaimsOfADroppedQueueDoNotComeBackWithItsNumber) {
  put_everything(kOrders, "orders");
  commit([](RecordSink& sink) { sink.drop_queue(kOrders); });
  reopen();
  load();

  commit(
      [](RecordSink& sink) { sink.put_queue({.number = kOrders, .name = {"default", "again"}}); });
  reopen();

  EXPECT_THAT(load(), ElementsAre("queue 1 again"));
}

// --- bodies and keys ---------------------------------------------------------------------------

TEST_F(StoreTest, BodiesComeInTheOrderAskedFor) {
  commit([](RecordSink& sink) {
    sink.put_body(kOrders, id(1), "trace", "{\"one\":1}");
    sink.put_body(kOrders, id(2), "", "2");
    sink.drop_body(kOrders, id(3));
  });

  const auto bodies = store_->bodies(kOrders, std::vector{id(2), id(9), id(1)});

  ASSERT_TRUE(bodies);
  EXPECT_EQ((*bodies)[0]->payload, "2");
  EXPECT_FALSE((*bodies)[1]);
  EXPECT_EQ((*bodies)[2]->payload, "{\"one\":1}");
  EXPECT_EQ((*bodies)[2]->traceparent, "trace");
}

TEST_F(StoreTest, DroppedBodyIsGone) {
  commit([](RecordSink& sink) { sink.put_body(kOrders, id(1), "", "1"); });
  commit([](RecordSink& sink) { sink.drop_body(kOrders, id(1)); });
  commit([](RecordSink& sink) { sink.put_body(kOrders, id(2), "", "2"); });

  const auto bodies = store_->bodies(kOrders, std::vector{id(1), id(2)});

  EXPECT_FALSE((*bodies)[0]);
  EXPECT_TRUE((*bodies)[1]);
}

TEST_F(StoreTest, KeyIsReplacedWhenItsJobEnds) {
  const Hash128 key{1};
  commit([&](RecordSink& sink) {
    sink.put_key({.queue = kOrders, .key = key, .content = {2}, .id = id(1)});
  });
  EXPECT_EQ((*store_->key(kOrders, key))->expires_at, std::nullopt);

  commit([&](RecordSink& sink) {
    sink.put_key(
        {.queue = kOrders, .key = key, .content = {2}, .id = id(1), .expires_at = kNow + 24h});
  });

  const auto stored = store_->key(kOrders, key);
  EXPECT_EQ((*stored)->expires_at, kNow + 24h);
  EXPECT_EQ((*stored)->content, Hash128{2});
  EXPECT_EQ((*stored)->id, id(1));
  EXPECT_FALSE(*store_->key(kMails, key));
}

// --- find --------------------------------------------------------------------------------------

TEST_F(StoreTest, FindsJobsWhereverTheyAre) {
  commit([](RecordSink& sink) {
    sink.put_job(job(1));
    sink.put_dead(dead_job(2));
    sink.put_finished(finished_job(3, kNow + 1s));
    sink.put_outcome(finished_job(4, kNow - 1h));
  });

  EXPECT_EQ(find(1)->state, api::JobState::kReady);
  EXPECT_EQ(find(2)->state, api::JobState::kDead);
  EXPECT_EQ(find(3)->result_json, "{\"n\":1}");
  EXPECT_EQ(find(3)->finished_at, kNow);
  EXPECT_EQ(find(4)->state, api::JobState::kSucceeded);
  EXPECT_NE(find(1)->extras, nullptr);
  EXPECT_FALSE(find(5));
}

TEST_F(StoreTest, FinishedJobIsNotFoundFromItsExpiryOn) {
  commit([](RecordSink& sink) { sink.put_finished(finished_job(1, kNow + 1s)); });

  EXPECT_TRUE(find(1, kNow + 1s - 1us));
  EXPECT_FALSE(find(1, kNow + 1s));
}

TEST_F(StoreTest, OutcomeOutlivesItsExpiredFinishedRecord) {
  commit([](RecordSink& sink) {
    sink.put_finished(finished_job(1, kNow));
    sink.put_outcome(finished_job(1, kNow));
  });
  EXPECT_TRUE(find(1));

  commit([](RecordSink& sink) { sink.drop_outcome(kOrders, id(1)); });

  EXPECT_FALSE(find(1));
}

// --- list --------------------------------------------------------------------------------------

TEST_F(StoreTest, ListsEachScopeInOrderOfId) {
  commit([](RecordSink& sink) {
    for (const std::uint64_t n : {3, 1, 2}) sink.put_job(job(n));
    sink.put_job(job(9, kMails));
    sink.put_dead(dead_job(4));
    sink.put_finished(finished_job(5, kNow + 1s));
  });

  EXPECT_THAT(ids(list(ListScope::kLive)), ElementsAre(1, 2, 3));
  EXPECT_THAT(ids(list(ListScope::kDead)), ElementsAre(4));
  EXPECT_THAT(ids(list(ListScope::kFinished)), ElementsAre(5));
}

TEST_F(StoreTest, FinishedAndOutcomesAreMergedWithoutDuplicates) {
  commit([](RecordSink& sink) {
    sink.put_finished(finished_job(1, kNow + 1s));
    sink.put_finished(finished_job(2, kNow + 1s));
    sink.put_outcome(finished_job(2, kNow + 1s));
    sink.put_finished(finished_job(3, kNow));
    sink.put_outcome(finished_job(4, kNow));
    sink.put_finished(finished_job(5, kNow));
    sink.put_outcome(finished_job(5, kNow));
  });

  EXPECT_THAT(ids(list(ListScope::kFinished)), ElementsAre(1, 2, 4, 5));
}

TEST_F(StoreTest, PagesJoinWithoutAGapOrARepeat) {
  commit([](RecordSink& sink) {
    for (std::uint64_t n = 1; n <= 6; ++n) {
      sink.put_finished(finished_job(n, n == 3 ? kNow : kNow + 1s));
      if (n % 2 == 0) sink.put_outcome(finished_job(n, kNow + 1s));
    }
  });

  for (const auto& [limit, row_budget] :
       {std::pair{1, 100}, {2, 100}, {100, 1}, {100, 2}, {3, 2}}) {
    SCOPED_TRACE(std::to_string(limit) + " jobs, " + std::to_string(row_budget) + " rows");
    std::vector<std::uint64_t> all;
    std::optional<JobId> after;
    do {
      const ListPage page = list(ListScope::kFinished, after, limit, row_budget);
      EXPECT_LE(page.jobs.size(), static_cast<std::size_t>(limit));
      for (const std::uint64_t n : ids(page)) all.push_back(n);
      after = page.resume_after;
    } while (after);
    EXPECT_THAT(all, ElementsAre(1, 2, 4, 5, 6));
  }
}

TEST_F(StoreTest, LastPageHasNoCursor) {
  commit([](RecordSink& sink) {
    sink.put_job(job(1));
    sink.put_job(job(2));
  });

  EXPECT_EQ(list(ListScope::kLive, {}, 1).resume_after, id(1));
  EXPECT_EQ(list(ListScope::kLive, {}, 2).resume_after, std::nullopt);
  EXPECT_EQ(list(ListScope::kLive, id(2)).resume_after, std::nullopt);
}

TEST_F(StoreTest, UnwantedJobsCountInTheRowBudgetOnly) {
  commit([](RecordSink& sink) {
    for (std::uint64_t n = 1; n <= 5; ++n) sink.put_job(job(n));
  });

  const auto page = store_->list(kOrders, ListScope::kLive, {}, 100, 3, kNow,
                                 [](const StoredJob& stored) { return stored.job.id.lo == 2; });

  ASSERT_TRUE(page);
  EXPECT_THAT(ids(*page), ElementsAre(2));
  EXPECT_EQ(page->resume_after, id(3));
}

// --- batches -----------------------------------------------------------------------------------

TEST_F(StoreTest, OnlyClaimsNeedNoSync) {
  const auto claims = store_->begin_batch();
  claims->sink().put_claim({.number = ClaimNumber{1}, .queue = kOrders});
  claims->sink().drop_claim(ClaimNumber{2});
  const auto mixed = store_->begin_batch();
  mixed->sink().put_claim({.number = ClaimNumber{1}, .queue = kOrders});
  mixed->sink().drop_job(kOrders, id(1));

  EXPECT_FALSE(claims->needs_sync());
  EXPECT_TRUE(mixed->needs_sync());
}

TEST_F(StoreTest, BatchTellsWhetherItIsEmpty) {
  const auto batch = store_->begin_batch();
  EXPECT_TRUE(batch->empty());

  batch->sink().drop_job(kOrders, id(1));

  EXPECT_FALSE(batch->empty());
  EXPECT_GT(batch->size_bytes(), 0u);
}

// SURVIVAL 20: a power cut takes the unsynced claim and nothing that was synced.
TEST_F(StoreTest, PowerCutLosesOnlyUnsyncedBatches) {
  put_everything(kOrders, "orders");
  commit([](RecordSink& sink) { sink.drop_claim(ClaimNumber{1}); }, /*sync=*/false);

  store_.reset();
  disk_.lose_unsynced();
  reopen();

  EXPECT_THAT(load(), ::testing::Contains("claim 1 worker-orders"));
}

// SURVIVAL 21
TEST_F(StoreTest, FailedCommitIsReportedAndLeavesNothing) {
  disk_.fail_write(1);
  const auto batch = store_->begin_batch();
  batch->sink().put_job(job(1));

  EXPECT_FALSE(store_->commit(*batch, true));

  disk_.heal();
  reopen();
  EXPECT_THAT(load(), IsEmpty());
}

TEST_F(StoreTest, FreeBytesAreTheEngines) {
  disk_.set_free_bytes(12'345);

  EXPECT_EQ(store_->free_bytes(), 12'345u);
}

}  // namespace
}  // namespace sluice::broker
