#include "worker/lease_book.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;
constexpr SteadyPoint kStart{1000s};

api::ClaimedJob job(const std::string& id, int lease_seconds) {
  return {.id = id, .lease = "lease-" + id, .lease_seconds = lease_seconds};
}

TEST(LeaseBook, ReportsEveryTenSecondsWithoutALease) {
  LeaseBook book(kStart);
  EXPECT_EQ(book.next_report(), kStart + 10s);
  EXPECT_TRUE(book.take_report(kStart + 10s).empty());
  EXPECT_EQ(book.next_report(), kStart + 20s);
}

TEST(LeaseBook, ExtendsAllAtAThirdOfTheShortestLease) {
  LeaseBook book(kStart);
  book.add(job("a", 30));
  book.add(job("b", 3));

  EXPECT_EQ(book.next_report(), kStart + 1s);
  EXPECT_EQ(book.take_report(kStart + 1s).size(), 2u);
  book.remove("b");
  EXPECT_EQ(book.next_report(), kStart + 11s);
}

TEST(LeaseBook, ProgressIsToldSoonOnceAndAtABoundedRate) {
  LeaseBook book(kStart);
  book.add(job("a", 30));
  book.set_progress("a", {.ratio = 0.1});
  book.set_progress("a", {.ratio = 0.2});
  book.set_progress("unknown", {.ratio = 0.3});

  EXPECT_EQ(book.next_report(), kStart + LeaseBook::kProgressEvery);
  EXPECT_EQ(book.take_report(kStart + 1s)[0].progress->ratio, 0.2);
  EXPECT_FALSE(book.take_report(kStart + 2s)[0].progress);
}

TEST(LeaseBook, AFailedReportIsRepeatedSoonWithItsProgress) {
  LeaseBook book(kStart);
  book.add(job("a", 3));
  book.set_progress("a", {.ratio = 0.1});
  const auto report = book.take_report(kStart);

  book.report_failed(report, kStart + 1s);

  EXPECT_EQ(book.next_report(), kStart + 1s + 500ms);
  EXPECT_EQ(book.take_report(kStart + 2s)[0].progress->ratio, 0.1);
}

TEST(LeaseBook, ADrainingWorkerAsksOftenWhetherItMayGoOn) {
  LeaseBook book(kStart);
  book.set_draining(true);
  EXPECT_EQ(book.next_report(), kStart);
  book.take_report(kStart);
  EXPECT_EQ(book.next_report(), kStart + 1s);

  book.set_draining(false);
  book.take_report(kStart);

  EXPECT_EQ(book.next_report(), kStart + 10s);
}

TEST(LeaseBook, NewsIsDueAtOnce) {
  LeaseBook book(kStart);
  book.report_soon();
  EXPECT_LE(book.next_report(), kStart);
  book.take_report(kStart);
  EXPECT_EQ(book.next_report(), kStart + 10s);
}

}  // namespace
}  // namespace sluice::worker
