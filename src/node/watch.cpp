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

/// A rank that is being killed loses its lifeline a moment before its process is gone, and nobody
/// may have looked since; so the first naps are short. Of a rank that goes on without the thread
/// that held it this is so for good.
milliseconds Watch::nap_after_losses(std::uint32_t lost) const noexcept {
    if (lost_.exchange(lost, std::memory_order_relaxed) != lost) {
        naps_.store(0, std::memory_order_relaxed);
    }
    if (lost == 0) return nap_when_not;
    const std::uint32_t naps = naps_.fetch_add(1, std::memory_order_relaxed);
    return std::min(nap_when_not, milliseconds(1 << std::min(naps, 10U)));
}

void Watch::sleep(std::uint32_t rings, int rank) const noexcept {
    const int ranks = memory_.ranks();
    std::array<os::SeenWord, os::max_seen_words> words;
    std::size_t count = 0;
    words[count++] = {&memory_.line(own_rank_).bell.rings, rings};
    bool absent = false;
    std::uint32_t lost = 0;
    const auto add = [&](int other) {
        if (other == own_rank_) return;
        // Who joins later rings nobody.
        absent = absent || stage(other) == Stage::absent;
        if (stage(other) != Stage::here) return;
        const os::Lifeline::Word life = memory_.line(other).life.word_to_sleep_on();
        if (life.word == nullptr) {
            ++lost;
        } else {
            words[count++] = {life.word, life.seen};
        }
    };
    if (rank >= 0) add(rank);
    // Everybody watches those behind him, so everybody is watched by many.
    int watched = 1;
    for (; watched < ranks && count < words.size(); ++watched) {
        const int other = (own_rank_ + watched) % ranks;
        if (other != rank) add(other);
    }
    // A lifeline that nobody holds wakes nobody: look again soon.
    const milliseconds after_losses = nap_after_losses(lost);
    const bool all = watched == ranks && !absent && lost == 0;
    const milliseconds nap = all ? long_nap_ : lost == 0 ? nap_when_not : after_losses;
    if (!os::futex_wait_any(std::span(words.data(), count), nap)) {
        os::futex_wait(*words[0].word, rings, nap_when_not);
    }
}

}  // namespace onecopy::node
