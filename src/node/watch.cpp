#include "node/watch.hpp"

#include <algorithm>
#include <array>

#include "os/futex.hpp"

namespace onecopy::node {
namespace {

using std::chrono::milliseconds;

/// Where that is not so, or the kernel cannot sleep on several words.
constexpr milliseconds nap_when_not{50};

}  // namespace

void Watch::look_at(int rank) noexcept {
    RankLine& line = memory_.line(rank);
    if (rank == own_rank_ || stage(rank) != Stage::here || line.life.held()) return;
    if (peers_.has_ended(rank)) depart(rank, Stage::dead);
}

void Watch::look_at_all() noexcept {
    for (int rank = 0; rank < memory_.ranks(); ++rank) look_at(rank);
}

bool Watch::somebody_may_be_gone() const noexcept {
    for (int rank = 0; rank < memory_.ranks(); ++rank) {
        if (rank != own_rank_ && stage(rank) == Stage::here && !memory_.line(rank).life.held()) {
            return true;
        }
    }
    return false;
}

void Watch::leave() noexcept { depart(own_rank_, Stage::left); }

void Watch::depart(int rank, Stage stage) noexcept {
    Stage before = Stage::here;
    if (!memory_.line(rank).stage.compare_exchange_strong(before, stage,
                                                          std::memory_order_acq_rel)) {
        return;  // somebody was faster
    }
    memory_.head().departures.fetch_add(1, std::memory_order_seq_cst);
    for (int each = 0; each < memory_.ranks(); ++each) {
        if (each != rank) memory_.line(each).bell.ring_if_asleep();
    }
}

void Watch::sleep(std::uint32_t rings, int rank) const noexcept {
    const int ranks = memory_.ranks();
    std::array<os::SeenWord, os::max_seen_words> words;
    std::size_t count = 0;
    words[count++] = {&memory_.line(own_rank_).bell.rings, rings};
    bool lost = false;
    const auto add = [&](int other) {
        if (other == own_rank_) return;
        // Who joins later rings nobody.
        lost = lost || stage(other) == Stage::absent;
        if (stage(other) != Stage::here) return;
        const os::Lifeline::Word life = memory_.line(other).life.word_to_sleep_on();
        lost = lost || life.word == nullptr;
        if (life.word != nullptr) words[count++] = {life.word, life.seen};
    };
    if (rank >= 0) add(rank);
    // Everybody watches those behind him, so everybody is watched by many.
    int watched = 1;
    for (; watched < ranks && count < words.size(); ++watched) {
        const int other = (own_rank_ + watched) % ranks;
        if (other != rank) add(other);
    }
    // A lifeline that nobody holds wakes nobody: look again soon.
    const bool all = watched == ranks && !lost;
    const milliseconds nap = all ? long_nap_ : nap_when_not;
    if (!os::futex_wait_any(std::span(words.data(), count), nap)) {
        os::futex_wait(*words[0].word, rings, nap_when_not);
    }
}

}  // namespace onecopy::node
