// The ranks of a job as forked processes, for tests of what stands below the MPI.
#pragma once

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace onecopy::test {

/// Memory that the test and its ranks share, zero at first.
class SharedMemory {
public:
    explicit SharedMemory(std::size_t bytes) : bytes_(bytes) {
        at_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (at_ == MAP_FAILED) throw std::bad_alloc();
    }
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    ~SharedMemory() { ::munmap(at_, bytes_); }

    [[nodiscard]] void* data() const noexcept { return at_; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

private:
    void* at_;
    std::size_t bytes_;
};

/// What the ranks and the test tell each other.
struct Board {
    static constexpr int most_ranks = 16;
    std::atomic<int> started;
    std::atomic<int> arrived[8];  ///< meetings, by number
    std::atomic<int> flags[8];
    int pids[most_ranks];
    struct Note {
        std::int64_t number;
        char text[256];
    } notes[most_ranks];
};

/// Forks so many ranks; each runs `body(rank)` and ends with 0, or 1 if that threw. Whatever the
/// test does, none is left when this ends.
class Ranks {
public:
    using Body = std::function<void(int rank)>;

    explicit Ranks(int count) : count_(count), board_memory_(sizeof(Board)) {
        pids_.resize(static_cast<std::size_t>(count), -1);
    }
    ~Ranks() {
        for (const pid_t pid : pids_) {
            if (pid > 0) ::kill(pid, SIGKILL);
        }
        for (const pid_t pid : pids_) {
            if (pid > 0) ::waitpid(pid, nullptr, 0);
        }
    }
    Ranks(const Ranks&) = delete;
    Ranks& operator=(const Ranks&) = delete;

    [[nodiscard]] Board& board() const noexcept {
        return *static_cast<Board*>(board_memory_.data());
    }
    [[nodiscard]] pid_t pid(int rank) const { return pids_[static_cast<std::size_t>(rank)]; }

    void start(const Body& body) {
        for (int rank = 0; rank < count_; ++rank) {
            const pid_t pid = ::fork();
            if (pid < 0) throw std::runtime_error("fork");
            if (pid == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                int status = 0;
                try {
                    until([&] { return board().started.load() != 0; });
                    body(rank);
                } catch (...) {
                    status = 1;
                }
                ::_exit(status);
            }
            pids_[static_cast<std::size_t>(rank)] = pid;
            board().pids[rank] = pid;
        }
        board().started.store(1);  // all pids are on the board
    }

    /// Waits until all ranks have come here; `number` tells meetings apart. For ranks.
    void meet(int number) const {
        board().arrived[number].fetch_add(1);
        until([&] { return board().arrived[number].load() >= count_; });
    }

    static void until(const std::function<bool()>& there) {
        while (!there()) std::this_thread::sleep_for(std::chrono::microseconds(50));
    }

    /// The exit status of each rank, -1 for one that a signal ended; -2 for one that has not ended
    /// when the guard against a deadlock expires.
    std::vector<int> finish() {
        const auto guard = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        std::vector<int> statuses(pids_.size(), -2);
        std::size_t ended = 0;
        while (ended < pids_.size() && std::chrono::steady_clock::now() < guard) {
            for (std::size_t i = 0; i < pids_.size(); ++i) {
                int status = 0;
                if (pids_[i] <= 0 || ::waitpid(pids_[i], &status, WNOHANG) != pids_[i]) continue;
                statuses[i] = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
                pids_[i] = -1;
                ++ended;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
        return statuses;
    }

    void note(int rank, std::int64_t number, std::string_view text = {}) const {
        Board::Note& note = board().notes[rank];
        note.number = number;
        const std::size_t length = std::min(text.size(), sizeof note.text - 1);
        text.copy(note.text, length);
        note.text[length] = '\0';
    }
    [[nodiscard]] std::int64_t number(int rank) const { return board().notes[rank].number; }
    [[nodiscard]] std::string text(int rank) const { return board().notes[rank].text; }

private:
    int count_;
    SharedMemory board_memory_;
    std::vector<pid_t> pids_;
};

}  // namespace onecopy::test
