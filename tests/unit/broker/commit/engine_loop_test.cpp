// The real threads around the engine, on a store in memory. What the pipeline alone promises is
// held by tests/sim.
#include "broker/commit/engine_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "broker/storage/key_value_engine.h"
#include "broker/storage/memory_engine.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

constexpr int kThreads = 4;
constexpr int kCommandsAThread = 500;

const QueueName kMail{"shop", "mail"};

class Listener final : public EffectsListener {
 public:
  void on_effects(Effects&& effects) override {
    for (auto& woken : effects.claims) {
      if (woken.grant && !woken.grant->jobs.empty()) woken_.set_value(woken.waiter);
    }
    for (const Effects::JobEnd& end : effects.ends) on_end(end);
  }
  std::function<void(const Effects::JobEnd&)> on_end = [](const Effects::JobEnd&) {};
  std::future<WaiterId> woken() { return woken_.get_future(); }

 private:
  std::promise<WaiterId> woken_;
};

class EngineLoopTest : public ::testing::Test {
 protected:
  EngineLoopTest()
      : store_(*Store::open(make_memory_engine())),
        engine_(store_->boot(), 1),
        loop_(engine_, *store_, clock_, listener_) {
    loop_.start();
    std::promise<void> made;
    loop_.submit(
        [](Engine& engine, Now now, RecordSink& sink) {
          ConfigureRequest request;
          request.queue = kMail;
          return engine.configure(request, now, sink);
        },
        [&made](const Status&) { made.set_value(); });
    made.get_future().wait();
  }

  static Result<Enqueued> enqueue(Engine& engine, Now now, RecordSink& sink,
                                  std::optional<Duration> delay = {}) {
    NewJob job;
    job.payload = "{}";
    job.delay = delay;
    return engine.enqueue(kMail, std::move(job), {}, now, sink);
  }

  bool is_stored(JobId id) {
    const auto found = store_->find(QueueNumber{1}, id, clock_.now().wall);
    return found && found->has_value();
  }

  const SystemClock clock_;
  Listener listener_;
  std::unique_ptr<Store> store_;
  Engine engine_;
  EngineLoop loop_;
};

TEST_F(EngineLoopTest, AnswersEachCommandOnceAndWhenItIsDurable) {
  std::atomic<int> answered{0};
  std::atomic<int> undurable{0};
  int at_once = 0;  // the engine's: no two steps run at a time
  std::atomic<bool> overlapped{false};

  std::vector<std::thread> producers;
  for (int t = 0; t < kThreads; ++t) {
    producers.emplace_back([&] {
      for (int i = 0; i < kCommandsAThread; ++i) {
        loop_.submit(
            [&](Engine& engine, Now now, RecordSink& sink) {
              if (++at_once != 1) overlapped = true;
              auto made = enqueue(engine, now, sink);
              --at_once;
              return made;
            },
            [&](const Result<Enqueued>& made) {
              if (!made || !is_stored(made->id)) ++undurable;
              ++answered;
            });
      }
    });
  }
  for (std::thread& producer : producers) producer.join();
  loop_.stop();

  EXPECT_EQ(answered, kThreads * kCommandsAThread) << "stop() answers what was submitted before";
  EXPECT_EQ(undurable, 0);
  EXPECT_FALSE(overlapped);
}

TEST_F(EngineLoopTest, TellsListenersWhatIsDurable) {
  int told = 0, undurable = 0;  // the commit thread's
  listener_.on_end = [&](const Effects::JobEnd& end) {
    const auto found = store_->find(QueueNumber{1}, end.id, clock_.now().wall);
    if (!found || !*found || (*found)->state != end.state) ++undurable;
    ++told;
  };
  loop_.submit([](Engine& engine, Now, RecordSink&) { engine.listen_to_ends(kMail); }, [] {});

  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&] {
      for (int i = 0; i < kCommandsAThread; ++i) {
        loop_.submit(
            [](Engine& engine, Now now, RecordSink& sink) {
              const auto made = enqueue(engine, now, sink);
              EXPECT_TRUE(engine.cancel(kMail, made->id, now, sink));
            },
            [] {});
      }
    });
  }
  for (std::thread& client : clients) client.join();
  loop_.stop();

  EXPECT_EQ(told, kThreads * kCommandsAThread);
  EXPECT_EQ(undurable, 0);
}

TEST_F(EngineLoopTest, RunsTheCommandsOfAThreadInOrder) {
  std::vector<int> ran;  // the engine's
  std::vector<std::thread> others;
  std::atomic<bool> ended{false};
  others.emplace_back([&] {
    while (!ended) loop_.submit([](Engine&, Now, RecordSink&) {}, [] {});
  });

  for (int i = 0; i < kCommandsAThread; ++i) {
    loop_.submit([&ran, i](Engine&, Now, RecordSink&) { ran.push_back(i); }, [] {});
  }
  ended = true;
  for (std::thread& other : others) other.join();
  loop_.stop();

  ASSERT_EQ(ran.size(), static_cast<std::size_t>(kCommandsAThread));
  EXPECT_TRUE(std::is_sorted(ran.begin(), ran.end()));
}

TEST_F(EngineLoopTest, DoesWhatIsDueWithoutBeingAsked) {
  auto woken = listener_.woken();
  loop_.submit(
      [](Engine& engine, Now now, RecordSink& sink) {
        const ClaimRequest request{kMail, "worker", "1", 1};
        EXPECT_TRUE(engine.claim(request, now, sink)->jobs.empty());
        engine.wait_for_claim(7, request);
        EXPECT_TRUE(enqueue(engine, now, sink, Duration{1ms}));
      },
      [] {});

  EXPECT_EQ(woken.get(), 7u);
}

TEST_F(EngineLoopTest, AnswersWhatWroteNothing) {
  std::promise<bool> answer;
  loop_.submit([](Engine& engine, Now now, RecordSink&) { return engine.queue(kMail, now); },
               [&answer](const Result<QueueView>& view) { answer.set_value(bool{view}); });

  EXPECT_TRUE(answer.get_future().get());
  EXPECT_EQ(loop_.stats().commits, 1u) << "the queue's own";
}

}  // namespace
}  // namespace sluice::broker
