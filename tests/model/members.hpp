// The members of a communicator as the models have them: each with its group
// (src/collectives/group.hpp), and how it waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collectives/group.hpp"
#include "model/checker.hpp"
#include "model/expect.hpp"
#include "model/sleep.hpp"

namespace onecopy::model {

using collectives::Group;
using collectives::Look;
using collectives::Slot;

class Member {
public:
    Member(node::Job& job, int rank, int size, Waits waits, bool departures, bool has_memory)
        : context_(rank, size),
          memory_(job, rank, has_memory),
          endpoint_(memory_, context_),
          waits_(waits),
          departures_(departures) {}
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    /// The communicator of that number.
    void open(std::uint32_t number = 0) {
        // Not owned: it ends in its execution, or not at all.
        blocks_ = new (&room_) node::CommunicatorBlocks(memory_, number, size());
        context_.blocks = {std::shared_ptr<void>(), blocks_};
        group_.emplace(endpoint_, context_);
    }
    /// As one that is destroyed.
    void close() {
        group_.reset();
        blocks_->~CommunicatorBlocks();
    }
    [[nodiscard]] Group& group() { return *group_; }
    [[nodiscard]] int rank() const { return context_.rank(); }
    [[nodiscard]] int size() const { return context_.size(); }
    [[nodiscard]] node::Job& job() { return memory_.job(); }
    [[nodiscard]] bool sleeps() const { return waits_ != Waits::awake; }

    /// As Endpoint::wait. Ready, or failed.
    template <class Step>
    Look until(const Step& step) {
        Look found = Look::not_yet;
        const auto look = [&] {
            if (departures_) endpoint_.look_for_departures();
            found = step();
            return found != Look::not_yet;
        };
        wait(waits_, memory_.line(rank()).bell, look);
        return found;
    }

    /// Nothing more comes from it: it says so itself (left), or the kernel does (dead).
    void depart(node::Stage stage) { endpoint_.watch().depart(rank(), stage); }

private:
    node::Context context_;
    node::JobMemory memory_;
    node::Endpoint endpoint_;
    Waits waits_;
    bool departures_;
    alignas(node::CommunicatorBlocks) std::array<std::byte, sizeof(node::CommunicatorBlocks)> room_;
    node::CommunicatorBlocks* blocks_ = nullptr;
    std::optional<Group> group_;
};

/// Those of one execution. They own memory, so they do not live on the stacks of its threads.
class Members {
public:
    static constexpr std::size_t most = node::max_ranks;

    Member& add(node::Job& job, int rank, int size, Waits waits, bool departures = false,
                bool has_memory = true) {
        std::optional<Member>& one = members_[static_cast<std::size_t>(rank)];
        one.emplace(job, rank, size, waits, departures, has_memory);
        return *one;
    }
    [[nodiscard]] Member& operator[](int rank) { return *members_[static_cast<std::size_t>(rank)]; }

private:
    std::array<std::optional<Member>, most> members_;
};

inline node::Job& make_job(Execution& run, int ranks) {
    auto& job = run.make<node::Job>();
    for (int rank = 0; rank < ranks; ++rank) {
        node::RankLine& line = job.lines[static_cast<std::size_t>(rank)];
        line.stage.store(node::Stage::here, std::memory_order_relaxed);
        const std::string whose = std::to_string(rank) + "'s ";
        run.name(line.bell.rings, whose + "rings");
        run.name(line.bell.asleep, whose + "asleep");
    }
    return job;
}

/// After they were made in order: a rank's first block is its board; of rank 0, the second.
inline void name_board(Execution& run, node::Job& job, int rank) {
    const std::size_t block =
        static_cast<std::size_t>(rank) * node::Job::blocks_each + (rank == 0 ? 1 : 0);
    auto& board =
        *reinterpret_cast<collectives::Board*>(job.blocks.data() + block * node::block_bytes);
    const std::string whose = std::to_string(rank) + "'s ";
    run.name(board.finished, whose + "finished");
    run.name(board.awaits, whose + "awaits");
    run.name(board.trouble, whose + "trouble");
    for (collectives::Frame& frame : board.frames) run.name(frame.word, whose + "word");
    for (Slot& slot : board.slots) run.name(slot.call, whose + "call");
}

/// Of a call: who shows something to whom.
enum class What : std::uint8_t { all_to_all, from_0, to_0 };
inline constexpr What all_to_all = What::all_to_all, from_0 = What::from_0, to_0 = What::to_0;

inline bool shows(What what, int rank) {
    return what == all_to_all || (what == from_0) == (rank == 0);
}
inline bool needs(What what, int rank, int other) {
    return rank != other && shows(what, other) && (what != to_0 || rank == 0);
}
inline std::uint64_t shown_by(int rank, std::uint64_t call) {
    return 100 * call + static_cast<std::uint64_t>(rank);
}

inline void write_word(std::byte* to, std::uint64_t value) {
    note_write(to, sizeof value);
    std::memcpy(to, &value, sizeof value);
}
inline std::uint64_t read_word(const std::byte* from) {
    note_read(from, sizeof(std::uint64_t));
    std::uint64_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
}

/// A call's own slot.
inline Look post(Member& own, What what, std::uint64_t call) {
    if (!shows(what, own.rank())) return Look::ready;
    Group& group = own.group();
    if (own.until([&] { return group.slot_is_free(call); }) == Look::failed) return Look::failed;
    write_word(group.own_slot(call).data.data(), shown_by(own.rank(), call));
    group.post(call, static_cast<std::uint64_t>(what));
    return Look::ready;
}
/// The slots of those that it needs, each beginning behind itself.
inline Look find_all(Member& own, What what, std::uint64_t call) {
    for (int i = 1; i < own.size(); ++i) {
        const int other = (own.rank() + i) % own.size();
        if (!needs(what, own.rank(), other)) continue;
        const Slot* slot = nullptr;
        const Look look = own.until(
            [&] { return own.group().find(other, call, static_cast<std::uint64_t>(what), slot); });
        if (look == Look::failed) return look;
    }
    return Look::ready;
}
inline void use_what_was_found(Member& own, What what, std::uint64_t call) {
    for (int other = 0; other < own.size(); ++other) {
        if (!needs(what, own.rank(), other)) continue;
        const std::byte* const data = own.group().slot_of(other, call).data.data();
        check(read_word(data) == shown_by(other, call), "a call sees what was shown for it");
        check(other != 0 || own.group().schedules().number == 1, "all go by member 0's schedules");
    }
}

inline constexpr Waits awake = Waits::awake, asleep = Waits::asleep, at_once = Waits::at_once;
/// How each member waits, by rank.
using HowAll = std::vector<Waits>;

/// A thread for each of so many members; `act(member)` is what it does. `opens`: the boards are
/// there before.
struct Play {
    HowAll how;
    bool opens = true;
    bool departures = false;
    int without_memory = -1;
};
template <class Act>
Program play(const Play& shape, const Act& act) {
    const auto members = std::make_shared<Members>();
    return [=](Execution& run) {
        const int ranks = static_cast<int>(shape.how.size());
        node::Job& job = make_job(run, ranks);
        for (int rank = 0; rank < ranks; ++rank) {
            Member& own = members->add(job, rank, ranks, shape.how[static_cast<std::size_t>(rank)],
                                       shape.departures, rank != shape.without_memory);
            if (shape.opens) {
                own.open();
                name_board(run, job, rank);
            }
        }
        for (int rank = 0; rank < ranks; ++rank) {
            Member& own = (*members)[rank];
            run.thread(std::to_string(rank), [&own, &act] { act(own); });
        }
    };
}

}  // namespace onecopy::model
