// A rank: its rings, what it is sending and receiving, and how it waits.
//
// Everything here is done by the rank's own threads inside calls of the library; there is no thread
// of ours. progress() takes what has come, goes on with copies, and sends what had to wait.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "node/context.hpp"
#include "node/crowding.hpp"
#include "node/job_memory.hpp"
#include "node/notifier.hpp"
#include "node/operation.hpp"
#include "node/patience.hpp"
#include "node/peers.hpp"
#include "node/ring.hpp"
#include "node/schedules.hpp"
#include "node/stage.hpp"
#include "node/turn_lock.hpp"
#include "node/watch.hpp"
#include "node/ways.hpp"
#include "node/work.hpp"
#include "onecopy/arena.hpp"
#include "onecopy/attachment.hpp"
#include "onecopy/error.hpp"
#include "onecopy/node_counters.hpp"
#include "os/coarse_clock.hpp"
#include "os/process_number.hpp"
#include "os/touch.hpp"

namespace onecopy::node {

/// What an envelope announces.
enum class Meaning : std::uint16_t {
    eager,
    announcement,
    answered  ///< as eager, behind the name of a hand-off by which the sender hears of its receipt
};

/// What follows the envelope of a large message: this and its list of segments, or, where that
/// would be long, one segment in which the list stands.
struct Announcement {
    std::uint64_t bytes;
    HandoffName handoff;
    std::uint32_t segments;
    std::uint32_t list_is_remote;
};

/// Members that say so want the lock; the others take none and are for the one who holds it.
class Endpoint {
public:
    /// Messages up to this size go through the ring.
    static constexpr std::size_t eager_bytes = 4096;

    /// Joins: fills in the rank's line. `threads`: whether several threads of this process use it.
    /// `arena`: may be null; must outlive it.
    /// `ways`: see ways.hpp; `schedules`: schedules.hpp.
    Endpoint(JobMemory memory, int rank, const Arena* arena, bool threads,
             const WayTable& ways = {}, const Schedules& schedules = built_in_schedules());
    ~Endpoint();
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    /// Not so in a forked child.
    [[nodiscard]] bool is_this_process() const noexcept { return os::process_number() == maker_; }
    [[nodiscard]] int rank() const noexcept { return rank_; }
    /// What communicators whose member 0 is here go by from their first collective call on.
    [[nodiscard]] const Schedules& schedules() const noexcept { return schedules_; }
    void use(const Schedules& schedules) noexcept { schedules_ = schedules; }
    [[nodiscard]] int ranks() const noexcept { return memory_.ranks(); }
    [[nodiscard]] JobMemory& memory() noexcept { return memory_; }
    [[nodiscard]] const NodeCounters& counters() const noexcept { return counters_; }
    [[nodiscard]] Watch& watch() noexcept { return watch_; }
    [[nodiscard]] Peers& peers() noexcept { return peers_; }
    [[nodiscard]] const Arena* arena() const noexcept { return arena_; }

    /// Held by a thread while it is in here. A no-op where one thread is promised.
    class Lock {
    public:
        explicit Lock(Endpoint& endpoint) noexcept : endpoint_(endpoint) { lock(); }
        ~Lock() { unlock(); }
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        void lock() noexcept {
            if (endpoint_.threads_) endpoint_.lock_.lock();
        }
        void unlock() noexcept {
            if (endpoint_.threads_) endpoint_.lock_.unlock();
        }
        /// Between two looks: see TurnLock.
        template <class Pause>
        void let_others_in(const Pause& pause) noexcept {
            if (!endpoint_.threads_) return pause();
            endpoint_.lock_.let_others_in(pause);
        }

    private:
        Endpoint& endpoint_;
    };

    /// The queues of a communicator's context, made when first asked for. They stay.
    Context& context(std::uint32_t number);
    /// Makes one a communicator's: `members` are ranks in the job, `rank` is ours among them.
    Context& open(std::uint32_t number, std::vector<int> members, int rank);
    /// Makes it a communicator's first: collective calls can be made in it until the last owner of
    /// what is returned is gone, at the latest until the endpoint's end. Called again it gives the
    /// same, to one more owner; not to be called after the last. Throws std::bad_alloc.
    std::shared_ptr<void> keep_open(Context& first);
    /// Numbers for `count` new contexts.
    std::uint32_t take_contexts(std::uint32_t count) noexcept {
        return memory_.head().taken_contexts.fetch_add(count, std::memory_order_relaxed);
    }

    /// Begins what is described in the operation (kind, context, peer, tag, memory). It may be done
    /// at once. Throws nothing: what cannot be begun is done, with its error.
    void start(Operation& operation) noexcept;

    /// Sends a message that goes through the ring if nothing is in its way: most do. False if
    /// anything was unusual; nothing has happened then.
    bool send_at_once(const Context& context, int peer, int tag, ConstSegment bytes) noexcept;

    /// Why no such message will ever come; empty if one may.
    [[nodiscard]] std::error_code hopeless(const Context& context, int source,
                                           int tag) const noexcept;
    /// Receives one that was found and taken from the queue.
    void receive(Operation& operation, std::unique_ptr<Arrived> message) noexcept;

    /// Keeps a large message where its sender has it, as whole bytes that can be read here; an
    /// empty view if that cannot be: it is to be received then. For each: let_go().
    View hold(const Arrived& message) noexcept;
    void let_go(const Source& source) noexcept;
    /// Lets the sender of a message go that was found, taken out of the queue, and is not wanted.
    void drop(const Arrived& message) noexcept;

    /// See Communicator::native_handle(). Throws as Notifier.
    int native_handle();
    /// After a look that found nothing.
    void rest() noexcept {
        // Who only looks, and never waits, must learn of deaths too.
        constexpr std::uint64_t between_looks_ms = 20;
        const std::uint64_t now = os::coarse_ms();
        bool news = false;
        if (now >= looked_ms_ + between_looks_ms) {
            looked_ms_ = now;
            news = look_for_the_dead(-1);
        }
        if (notifier_) notifier_->arm([this, news] { return look_again() || news; });
    }

    /// Takes back a receive that has no message yet; false if it has.
    bool cancel(Operation& receive) noexcept;

    /// Whether it is done; looks at what only its peer knows.
    bool is_done(Operation& operation) noexcept;

    /// One round; true if anything happened.
    bool progress() noexcept;

    /// From now on progress() advances it, until it is over.
    void begin(Work& work) noexcept { works_.append(work); }

    /// After something was stored that the rank may sleep for.
    void tell(int rank) noexcept { memory_.line(rank).bell.ring_if_asleep(); }
    /// Whether anybody has left or died, as far as is known without a look.
    [[nodiscard]] bool has_seen_departures() const noexcept { return departures_seen_ > 0; }
    [[nodiscard]] Stage stage_of(int rank) const noexcept {
        return stages_[static_cast<std::size_t>(rank)];
    }

    /// Goes on until `ready()` says so. `rank` (in the job; -1: any) is who it depends on. The lock
    /// is let go while others are waited for. `ready` must become true when an operation fails, and
    /// it does when a rank departs: see bury().
    template <class Ready>
    void wait(Lock& lock, int rank, const Ready& ready) noexcept {
        if (ready()) return;
        hold_lifeline();
        RankLine& own = memory_.line(rank_);
        own.waiting.store(++waiting_, std::memory_order_relaxed);
        Patience patience(crowded());
        for (;;) {
            if (progress()) patience.restart();
            if (ready()) break;
            if (patience.was_preempted()) crowding_.was_preempted();
            if (!patience.is_over()) {
                if (patience.time_to_look()) look_after(rank, patience.has_begun());
                lock.let_others_in([&] { patience.pause(); });
                continue;
            }
            sleep(lock, rank, ready);
        }
        own.waiting.store(--waiting_, std::memory_order_relaxed);
        if (waiting_ == 0 && !pushes_.empty()) stop_pushing();
    }

    /// Whether there are more ranks than cores for them.
    [[nodiscard]] bool crowded() noexcept { return crowding_.now(); }

    /// Whether several threads of this process use it.
    [[nodiscard]] bool has_threads() const noexcept { return threads_; }

    /// What src/windows keeps for this rank, from its first window to its end.
    std::shared_ptr<void> for_windows;

private:
    /// What the program's objects of one communicator own together. It may outlive the endpoint.
    struct OpenContext {
        Endpoint* endpoint;
        Context* context;
        std::weak_ptr<void> alive;
        OpenContext(Endpoint& of, Context& one) : endpoint(&of), context(&one), alive(of.alive_) {}
        ~OpenContext();
        OpenContext(const OpenContext&) = delete;
        OpenContext& operator=(const OpenContext&) = delete;
    };
    static void close(Context& context) noexcept;

    struct Outgoing {
        std::optional<RingWriter> ring;
        // Sends that found no room, in order. Only receives are posted, so their hook is free.
        List<Operation, Posted> queue;
    };

    template <class Ready>
    void sleep(Lock& lock, int rank, const Ready& ready) noexcept {
        give_back_lines();
        own_bell().sleep([&] { return progress() || ready(); },
                         [&](std::uint32_t rings) {
                             ++counters_.sleeps;
                             lock.unlock();
                             watch_.sleep(rings, rank);
                             lock.lock();
                             look_for_the_dead(rank);
                         });
    }

    Bell& own_bell() noexcept { return memory_.line(rank_).bell; }

    /// While one spins: whether who it waits for still is there. All are many, for short waits.
    void look_after(int rank, bool for_long) noexcept {
        if (for_long) look_where_we_are();
        if (rank >= 0) return watch_.look_at(rank);
        if (for_long) watch_.look_at_all();
    }
    bool look_again() noexcept;
    void hold_lifeline() noexcept;
    /// True if somebody had gone that we did not know of.
    bool look_for_the_dead(int rank) noexcept;
    bool bury_if_news() noexcept;
    /// After departures: ends what waits for those who are gone.
    void bury() noexcept;
    void end_receives(Context& context, int source, std::error_code error) noexcept;
    [[nodiscard]] bool all_others_left(const Context& context) const noexcept;
    [[nodiscard]] std::error_code state_of(const Context& context) const noexcept;

    RingWriter* ring_to(int rank) noexcept;
    void accept_rings() noexcept;
    void give_back_lines() noexcept;
    void drain_rings() noexcept;
    bool take_messages(RingReader& ring) noexcept;
    void take(const RingReader::Message& message, int from) noexcept;
    bool flush(int rank) noexcept;

    void start_send(Operation& send) noexcept;
    void start_receive(Operation& receive) noexcept;
    void announce(RingWriter& ring, int to, const Context& context, int tag, Meaning meaning,
                  std::size_t bytes) noexcept;
    /// Puts it into the ring, the bytes or their announcement; false: no room.
    bool put(Operation& send, RingWriter& ring, int to) noexcept;
    void deliver(Operation& receive, int source, int tag,
                 std::span<const std::byte> bytes) noexcept;

    // Large messages (large.cpp):
    std::optional<HandoffName> take_handoff() noexcept;
    Handoff& handoff(HandoffName name) const noexcept {
        return reinterpret_cast<Handoff*>(memory_.block(name.block))[name.index];
    }
    static void list_for_receiver(Operation& send);
    [[nodiscard]] static std::size_t announcement_bytes(const Operation& send) noexcept;
    void write_announcement(Operation& send, std::byte* to) noexcept;
    void write_answered(Operation& send, std::byte* to) noexcept;
    void acknowledge(const Source& source) noexcept;
    void read_announcement(std::span<const std::byte> bytes, int from, Source& source);
    /// Whether others can map all of it.
    [[nodiscard]] bool is_in_arena(std::span<const Segment> list) const noexcept;
    void begin_copy(Operation& receive, Source source, int from, int tag) noexcept;
    void share(Operation& receive, Help way) noexcept;
    bool step(Operation& receive) noexcept;
    Transfer copy_some(Operation& receive, std::uint64_t most) noexcept;
    void answer(const Source& source, Outcome outcome) noexcept;
    void end_copy(Operation& receive, Outcome outcome, std::error_code error) noexcept;
    bool look_at_offer(Operation& send) noexcept;
    bool help(Operation& send, Handoff& shared) noexcept;

    // Large messages through slots that both copy to and from (staged.cpp):
    void begin_unmapped(Operation& receive) noexcept;
    bool is_accessible(Place<Segment> place, std::uint64_t bytes, os::Touch how) noexcept;
    void bring_stage(Operation& send, Handoff& shared) noexcept;
    void give_back_stage(const StageSlots& slots) noexcept;
    bool open_stage(Operation& receive, Help way) noexcept;
    void begin_to_drain(Operation& receive) noexcept;
    bool fetch_staged(Operation& receive, Handoff& shared, std::uint32_t word) noexcept;
    void close_stage(Operation& receive, Outcome outcome) noexcept;
    bool take_stage(StageSlots& slots) noexcept;
    bool step_staged(Operation& receive) noexcept;
    bool look_for_its_sender(Operation& receive) noexcept;
    bool drain(Operation& receive, Handoff& shared) noexcept;
    bool push(Operation& send, Handoff& shared) noexcept;
    void refuse_to_push(Operation& send, Handoff& shared) noexcept;
    void stop_pushing() noexcept;
    StageSlot& slot(const Handoff& shared, std::uint64_t number) const noexcept {
        const StageSlots& slots = shared.slots;
        return *reinterpret_cast<StageSlot*>(
            memory_.block(slots[static_cast<std::size_t>(number % shared.slot_count)]));
    }
    void withdraw(Operation& send, std::error_code error) noexcept;
    void remove_offer(Operation& send) noexcept;

    /// The table for the distance to a rank.
    [[nodiscard]] const Ways& ways_to(int rank) const noexcept;
    /// Looks on which CPU this thread runs, and says so if that is another one than before.
    void look_where_we_are() noexcept;

    JobMemory memory_;
    int rank_;
    const Arena* arena_;
    bool threads_;
    WayTable ways_;
    Schedules schedules_;
    std::uint32_t cpu_ = 0;  // as in our line
    TurnLock lock_;
    Peers peers_;
    Watch watch_;
    Crowding crowding_;
    std::uint32_t departures_seen_ = 0;
    std::uint64_t looked_ms_ = 0;
    std::vector<Stage> stages_;  // by rank, as of then

    std::vector<Outgoing> outgoing_;  // by rank
    std::vector<int> with_queue_;     // ranks whose queue is not empty
    std::vector<RingReader> incoming_;
    std::unordered_map<std::uint32_t, std::unique_ptr<Context>> contexts_;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
    Context* last_context_ = nullptr;
    List<Operation, Working> copies_;
    List<Operation, Working> offers_;
    List<Work, Working> works_;
    std::vector<HandoffName> free_handoffs_;
    std::size_t handoffs_ = 0;
    std::vector<StageSlots> free_stages_;
    struct GoodRun {
        std::uintptr_t begin = 0, end = 0;
        os::Touch how{};
    };
    std::array<GoodRun, 8> good_;  // memory of ours that the kernel was asked about
    std::size_t next_good_ = 0;
    struct LostStage {
        StageSlots slots;
        HandoffName handoff;
        int rank;
    };
    std::vector<LostStage> lost_stages_;
    std::size_t stages_made_ = 0;
    std::size_t stages_brought_ = 0;  // in use by sends
    std::vector<Operation*> pushes_;  // begun and not given back
    unsigned waiting_ = 0;            // calls that wait, one for each thread
    NodeCounters counters_;
    int holder_ = -1;  // the thread that holds the lifeline
    std::uint32_t maker_ = os::process_number();
    std::unique_ptr<Notifier> notifier_;  // the last: it looks at the others until it ends
};

}  // namespace onecopy::node
