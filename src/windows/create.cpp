// How a window begins and ends: all ranks together, and all with the same verdict.
//
// Each tells rank 0 where its part is, rank 0 tells everybody where all are (by messages), each
// looks whether it can reach the others, and a barrier carries the worst that anybody found.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "os/errors.hpp"
#include "windows/state.hpp"

namespace onecopy::windows {
namespace {

constexpr int part_tag = 0, table_tag = 1;
/// Up to so many ranks each looks whether it can reach every other one; in larger jobs, where that
/// would take all descriptors, some of them, and the rest when they are first needed.
constexpr int most_looked_at = 64;

constexpr const char* what = "onecopy: make a window";

/// Error codes in 15 bits; 0 is none.
constexpr std::uint16_t own_codes = 0x4000;
std::uint16_t to_verdict(const std::error_code& error) noexcept {
    const bool ours = error.category() == onecopy_category();
    return static_cast<std::uint16_t>(error.value() | (ours ? own_codes : 0));
}
std::error_code to_error(std::uint16_t verdict) noexcept {
    if (verdict >= own_codes) return static_cast<Errc>(verdict - own_codes);
    return {verdict, std::system_category()};
}

Keep& keep_of(node::Endpoint& endpoint) {
    const node::Endpoint::Lock lock(endpoint);
    if (!endpoint.for_windows) endpoint.for_windows = std::make_shared<Keep>(endpoint.memory());
    return *static_cast<Keep*>(endpoint.for_windows.get());
}

/// Collective at the first window of a communicator.
Group& group_of(Keep& keep, Communicator& communicator) {
    Group* group = nullptr;
    {
        const node::Endpoint::Lock lock(communicator.endpoint());
        group = &keep.groups[communicator.context().number()];
    }
    if (group->messages.empty()) group->messages = communicator.dup();
    return *group;
}

}  // namespace

State::State(Communicator& communicator, Segment memory, Arena* arena, std::size_t bytes)
    : endpoint_(communicator.endpoint()),
      keep_(keep_of(endpoint_)),
      context_(communicator.context()),
      rank_(communicator.rank()),
      targets_(static_cast<std::size_t>(communicator.size())) {
    group_ = &group_of(keep_, communicator);
    number_ = group_->windows++;
    for (int rank = 0; rank < size(); ++rank) target(rank).member = context_.member(rank);
    describe_own_part(memory, arena, bytes);
    bool all_know = false;  // why there is no window, so that nobody uses what others told
    try {
        exchange(all_know);
    } catch (const std::system_error&) {
        // Nobody passes the barrier without us, but some may be at it.
        give_back_memory();
        if (all_know) give_back_control();
        throw;
    }
    try {
        agree(all_know);
    } catch (const std::system_error&) {
        if (all_know) {
            give_back_memory();
            give_back_control();
        }
        throw;
    }
}

/// Nothing is thrown here: the others wait to be told.
void State::describe_own_part(Segment memory, Arena* arena, std::size_t bytes) {
    const node::RankLine& line = endpoint_.memory().line(endpoint_.rank());
    if (arena != nullptr) {
        const auto base = reinterpret_cast<std::uintptr_t>(arena->range().data());
        if (line.arena_fd < 0 || base != line.arena_base) {
            part_.verdict = EINVAL;
        } else if (bytes > 0) {
            try {
                own_ = {static_cast<std::byte*>(arena->allocate(bytes, 64)), bytes};
                arena_ = arena;
            } catch (const std::bad_alloc&) {
                part_.verdict = ENOMEM;
            }
        }
    } else {
        own_ = memory;
    }
    {
        const node::Endpoint::Lock lock(endpoint_);
        if (const auto name = keep_.controls.take()) {
            part_.control = *name;
            part_.closed = keep_.controls.at(*name).closed.load(std::memory_order_relaxed) + 1;
            has_control_ = true;
        } else {
            part_.verdict = ENOMEM;
        }
    }
    part_.address = reinterpret_cast<std::uintptr_t>(own_.data());
    part_.bytes = own_.size();
    const std::uint64_t offset = part_.address - line.arena_base;
    const bool inside = part_.address >= line.arena_base && offset <= line.arena_bytes &&
                        part_.bytes <= line.arena_bytes - offset;
    part_.in_arena = line.arena_fd >= 0 && inside ? 1 : 0;
}

void State::exchange(bool& all_know) {
    Communicator& messages = group_->messages;
    std::vector<Part> parts;
    std::error_code error;
    try {
        parts.resize(targets_.size());
    } catch (const std::bad_alloc&) {
        part_.verdict = ENOMEM;
        error = os::no_memory();
    }
    // Without a table, room for one part is enough for what is to be said.
    Part one = part_;
    const Segment only = std::as_writable_bytes(std::span(&one, 1));
    const Segment table = error ? only : std::as_writable_bytes(std::span(parts));
    if (rank_ != 0) {
        messages.send(ConstSegment(only), 0, part_tag);
        std::error_code failure;
        const Status status = messages.recv(table, 0, table_tag, failure);
        if (failure && failure != Errc::truncated) throw std::system_error(failure, what);
        if (status.bytes < targets_.size() * sizeof(Part)) {
            // There is none: why not is in the place of the first part.
            std::memcpy(&one, table.data(), sizeof one);
            throw std::system_error(to_error(one.verdict), what);
        }
    } else {
        for (int rank = 1; rank < size(); ++rank) {
            const std::size_t place = static_cast<std::size_t>(rank) * sizeof(Part);
            const Segment into = error ? only : table.subspan(place, sizeof(Part));
            std::error_code failure;
            messages.recv(into, rank, part_tag, failure);
            if (failure) error = failure;
        }
        one = part_;
        if (error) one.verdict = to_verdict(error);
        if (!parts.empty()) parts[0] = one;
        std::error_code failure;
        for (int rank = 1; rank < size(); ++rank) {
            std::error_code failed;
            messages.send(ConstSegment(error ? only : table), rank, table_tag, failed);
            if (failed) failure = failed;
        }
        if (!error) error = failure;
    }
    if (error) throw std::system_error(error, what);
    take(parts);
    all_know = true;
    const auto worst = std::max_element(parts.begin(), parts.end(), [](auto& left, auto& right) {
        return left.verdict < right.verdict;
    });
    switch (worst->verdict) {
        case 0:
            break;
        case ENOMEM:
            throw std::system_error(ENOMEM, std::system_category(),
                                    "onecopy: make a window: a rank has no memory for its part; "
                                    "ask for less, or give the job more");
        default:
            throw std::system_error(to_error(worst->verdict),
                                    "onecopy: allocate a window: a rank gave another arena than "
                                    "its node's; give node.arena()");
    }
}

void State::take(const std::vector<Part>& parts) noexcept {
    const node::Endpoint::Lock lock(endpoint_);
    for (int rank = 0; rank < size(); ++rank) {
        Target& one = target(rank);
        one.part = parts[static_cast<std::size_t>(rank)];
        one.control = &keep_.controls.at(one.part.control);
    }
    target(rank_).is_ours(own_.data());
}

/// Whether we reach the others: the first one that we do not, and why.
std::error_code State::check_reach(int& refused_by) noexcept {
    const node::Endpoint::Lock lock(endpoint_);
    const bool few = size() <= most_looked_at;
    for (int distance = 1; distance < size(); distance += few ? 1 : distance) {
        refused_by = (rank_ + distance) % size();
        const std::error_code error = target(refused_by).may_be_reached(endpoint_);
        if (error) return error;
    }
    return {};
}

void State::agree(bool& all_know) {
    int refused_by = -1;
    all_know = false;
    const std::error_code error = check_reach(refused_by);
    std::uint16_t verdict = to_verdict(error);
    if (const std::error_code lost = barrier(verdict)) throw std::system_error(lost, what);
    all_know = true;
    if (verdict == 0) return;
    const std::error_code worst = to_error(verdict);
    if (!error) {
        throw std::system_error(worst,
                                "onecopy: make a window: another rank cannot reach all of it and "
                                "says why; where that is a right it has not, allocate() it");
    }
    const std::string whose =
        "onecopy: make a window: the memory of rank " + std::to_string(refused_by);
    const bool mapped = target(refused_by).part.in_arena != 0;
    throw std::system_error(
        worst, whose + (mapped ? " cannot be mapped; start all ranks as one user, in one pid "
                                 "namespace"
                               : " cannot be reached by system calls; allocate() the window, or "
                                 "give it memory of the node's arena"));
}

void State::give_back_memory() noexcept {
    if (arena_ != nullptr) arena_->deallocate(own_.data(), own_.size(), 64);
    arena_ = nullptr;
}

void State::give_back_control() noexcept {
    const node::Endpoint::Lock lock(endpoint_);
    if (has_control_) keep_.controls.give_back(part_.control);
    has_control_ = false;
}

void State::close() noexcept {
    // Said before anything else: who goes on from the barrier may be gone before others do.
    target(rank_).control->closed.store(part_.closed, std::memory_order_seq_cst);
    std::uint16_t verdict = 0;
    if (!barrier(verdict)) return;
    // Somebody is lost. Those who live may still be writing here until they close it, too.
    ring_all();
    node::Endpoint::Lock lock(endpoint_);
    endpoint_.wait(lock, -1, [&] {
        return std::all_of(targets_.begin(), targets_.end(), [&](const Target& each) {
            return endpoint_.watch().stage(each.member) != node::Stage::here ||
                   each.control->closed.load(std::memory_order_seq_cst) >= each.part.closed;
        });
    });
}

State::~State() {
    close();
    give_back_memory();
    give_back_control();
}

}  // namespace onecopy::windows
