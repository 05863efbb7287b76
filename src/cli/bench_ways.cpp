#include "cli/bench_ways.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

#include "cli/bench_mapped_ways.hpp"
#include "cli/bench_one_sided.hpp"
#include "onecopy/reduce.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::cli {
namespace {

constexpr std::array<std::string_view, 4> works = {"read", "write", "reduce", "incast"};
constexpr std::array<std::string_view, 10> ways = {
    "memcpy",   "mapped",      "mapped_private", "mapped_cooperative", "process_vm",
    "proc_mem", "double_copy", "vmsplice",       "process_vm_then_op", "onecopy"};

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

std::uint64_t address(std::span<const std::byte> bytes) noexcept {
    return reinterpret_cast<std::uintptr_t>(bytes.data());
}

/// The ceiling: one memcpy, or the bare operation, through memory that both sides have mapped.
class Memcpy final : public OneSided {
public:
    using OneSided::OneSided;

    [[nodiscard]] std::span<std::byte> source() const override {
        return worker() == Side::receiver ? lane().shared : lane().source;
    }
    [[nodiscard]] std::span<std::byte> destination() const override {
        return worker() == Side::receiver ? lane().destination : lane().shared;
    }

private:
    void run(std::size_t bytes) override {
        if (work() == Work::reduce) {
            add(destination().first(bytes), source().data());
        } else {
            std::memcpy(destination().data(), source().data(), bytes);
        }
    }
};

/// The bare system calls, in a loop only because they may move less than they were asked for.
class ProcessVm : public OneSided {
public:
    using OneSided::OneSided;

protected:
    void run(std::size_t bytes) override { move(bytes, lane().destination); }

    void move(std::size_t bytes, std::span<std::byte> to) const {
        for (std::size_t done = 0; done < bytes;) {
            const iovec source{lane().source.data() + done, bytes - done};
            const iovec target{to.data() + done, bytes - done};
            const ssize_t moved = worker() == Side::receiver
                                      ? ::process_vm_readv(peer(), &target, 1, &source, 1, 0)
                                      : ::process_vm_writev(peer(), &source, 1, &target, 1, 0);
            if (moved <= 0) fail("process_vm");
            done += static_cast<std::size_t>(moved);
        }
    }
};

/// What a program without fused operations does: fetch everything, then add it.
class ProcessVmThenOp final : public ProcessVm {
public:
    using ProcessVm::ProcessVm;

private:
    void run(std::size_t bytes) override {
        move(bytes, lane().whole);
        add(lane().destination.first(bytes), lane().whole.data());
    }
};

/// The bare reads and writes of /proc/PID/mem.
class ProcMem final : public OneSided {
public:
    using OneSided::OneSided;

private:
    void prepare() override {
        const std::string path = fmt::format("/proc/{}/mem", peer());
        mem_ = os::Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        if (!mem_) throw Refused(fmt::format("open {}: {}", path, std::strerror(errno)));
    }

    void run(std::size_t bytes) override {
        for (std::size_t done = 0; done < bytes;) {
            std::byte* const from = lane().source.data() + done;
            std::byte* const to = lane().destination.data() + done;
            const ssize_t moved =
                worker() == Side::receiver
                    ? ::pread(mem_.get(), to, bytes - done, reinterpret_cast<off_t>(from))
                    : ::pwrite(mem_.get(), from, bytes - done, reinterpret_cast<off_t>(to));
            if (moved <= 0) fail("/proc/PID/mem");
            done += static_cast<std::size_t>(moved);
        }
    }

    os::Fd mem_;
};

/// This library.
class OneCopy final : public OneSided {
public:
    using OneSided::OneSided;

private:
    void prepare() override {
        std::error_code error;
        // The launcher reaps nobody before all ranks have ended, so the number is held.
        process_.emplace(peer(), ProcessOptions{.watch_image = false, .held = true}, error);
        if (error) throw Refused(error.message());
    }

    void run(std::size_t bytes) override {
        const std::span<std::byte> from = lane().source.first(bytes);
        const std::span<std::byte> to = lane().destination.first(bytes);
        Transfer moved;
        if (work() == Work::reduce) {
            const RemoteSegment remote{address(from), bytes};
            moved =
                reduce(*process_, std::span(&to, 1), std::span(&remote, 1), Op::sum, Type::float64);
        } else if (worker() == Side::receiver) {
            moved = read(*process_, address(from), to);
        } else {
            moved = write(*process_, from, address(to));
        }
        if (moved.error) throw std::system_error(moved.error, "onecopy");
    }

    std::optional<Process> process_;
};

/// A way in which both sides move on, and which counts what it has moved.
class TwoSided : public Way {
public:
    TwoSided(Work work, const Lane& lane) : Way(lane), work_(work) {}

    [[nodiscard]] bool works(Side) const override { return true; }

    void start(std::size_t bytes) override {
        Way::start(bytes);
        done_ = 0;
    }

protected:
    [[nodiscard]] Work work() const noexcept { return work_; }

    [[nodiscard]] std::size_t done() const noexcept { return done_; }
    [[nodiscard]] std::size_t left() const noexcept { return message_bytes() - done_; }
    void moved(std::size_t bytes) noexcept { done_ += bytes; }

private:
    Work work_;
    std::size_t done_ = 0;
};

/// Copied into shared memory and out of it, slot by slot; a reduction takes the operand straight
/// out of the slot.
class DoubleCopy final : public TwoSided {
public:
    using TwoSided::TwoSided;

    bool step(Side side) override { return side == Side::sender ? fill() : empty(); }

    /// Touches the slots, which short messages would otherwise reach one by one.
    void open(Side) override {
        for (auto& slot : lane().ring->data) {
            for (std::size_t at = 0; at < Ring::slot_bytes; at += 4096) {
                std::atomic_ref<std::byte>(slot[at]).store(std::byte{}, std::memory_order_relaxed);
            }
        }
    }

private:
    [[nodiscard]] std::size_t piece() const noexcept { return std::min(left(), Ring::slot_bytes); }

    bool fill() noexcept {
        Ring& ring = *lane().ring;
        std::uint64_t tail = ring.tail.load(std::memory_order_relaxed);  // ours
        while (left() > 0 &&
               tail - ring.head.load(std::memory_order_acquire) < Ring::slots) {  // with (B)
            const std::size_t bytes = piece();
            std::memcpy(ring.data[tail % Ring::slots], lane().source.data() + done(), bytes);
            ring.tail.store(++tail, std::memory_order_release);  // (A)
            moved(bytes);
        }
        return left() == 0;
    }

    bool empty() noexcept {
        Ring& ring = *lane().ring;
        std::uint64_t head = ring.head.load(std::memory_order_relaxed);            // ours
        while (left() > 0 && head != ring.tail.load(std::memory_order_acquire)) {  // with (A)
            const std::size_t bytes = piece();
            const std::span<std::byte> to = lane().destination.subspan(done(), bytes);
            if (work() == Work::reduce) {
                add(to, ring.data[head % Ring::slots]);
            } else {
                std::memcpy(to.data(), ring.data[head % Ring::slots], bytes);
            }
            ring.head.store(++head, std::memory_order_release);  // (B)
            moved(bytes);
        }
        return left() == 0;
    }
};

/// The sender lends its pages to a pipe, the receiver copies out of it. Neither end ever blocks: a
/// sleep would cost more than most messages.
class Vmsplice final : public TwoSided {
public:
    using TwoSided::TwoSided;

    void open(Side side) override {
        if (side != Side::sender) return;
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
            throw Refused(fmt::format("pipe: {}", std::strerror(errno)));
        }
        const os::Fd out(ends[0]);
        const os::Fd in(ends[1]);
        std::byte byte{};
        const iovec one{&byte, 1};
        if (::vmsplice(in.get(), &one, 1, SPLICE_F_NONBLOCK) != 1) {
            throw Refused(fmt::format("vmsplice: {}", std::strerror(errno)));
        }
    }

    bool step(Side side) override {
        while (left() > 0) {
            const ssize_t count = side == Side::sender ? lend() : take();
            if (count < 0 && errno == EAGAIN) return false;
            if (count <= 0) fail("vmsplice");
            moved(static_cast<std::size_t>(count));
        }
        return true;
    }

private:
    [[nodiscard]] ssize_t lend() const noexcept {
        const iovec source{lane().source.data() + done(), left()};
        return ::vmsplice(lane().pipe_in->get(), &source, 1, SPLICE_F_NONBLOCK);
    }
    [[nodiscard]] ssize_t take() const noexcept {
        return ::read(lane().pipe_out->get(), lane().destination.data() + done(), left());
    }
};

}  // namespace

std::span<const std::string_view> work_names() noexcept { return works; }
std::span<const std::string_view> transfer_way_names() noexcept { return ways; }

Work work_named(std::string_view name) noexcept {
    return static_cast<Work>(std::find(works.begin(), works.end(), name) - works.begin());
}

std::string_view name_of(Work work) noexcept { return works[static_cast<std::size_t>(work)]; }

bool does(std::string_view way, Work work) noexcept {
    if (way == "process_vm_then_op") return work == Work::reduce;
    if (way == "process_vm" || way == "proc_mem" || way == "vmsplice") return work != Work::reduce;
    // Each writer for itself: what the receiver does is what the incast is about.
    if (way == "mapped_private" || way == "mapped_cooperative") return work != Work::incast;
    return true;
}

std::unique_ptr<Way> make_way(std::string_view name, Work work, const Lane& lane) {
    if (name == "memcpy") return std::make_unique<Memcpy>(work, lane);
    if (name == "process_vm") return std::make_unique<ProcessVm>(work, lane);
    if (name == "proc_mem") return std::make_unique<ProcMem>(work, lane);
    if (name == "double_copy") return std::make_unique<DoubleCopy>(work, lane);
    if (name == "vmsplice") return std::make_unique<Vmsplice>(work, lane);
    if (name == "process_vm_then_op") return std::make_unique<ProcessVmThenOp>(work, lane);
    if (name.starts_with("mapped")) return make_mapped_way(name, work, lane);
    return std::make_unique<OneCopy>(work, lane);
}

}  // namespace onecopy::cli
