// What the ranks of `onecopy bench p2p` do in one operation, by whatever link they have.
//
//   latency         two ranks send a message to and fro, as often as the command says
//   bandwidth       one message one way
//   bandwidth_cold  the same; both buffers are driven out of all caches before
//   bidirectional   a message each way at once
//   stream          64 messages one way, all under way at once
//   message_rate    windows of 64 messages one way, each window answered
//   incast          all ranks but the first send it a message at once
//
// In all but the last, ranks 0 and 1, 2 and 3, ... are pairs, which work at the same time.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "link.hpp"
#include "message.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <emmintrin.h>
#endif

namespace onecopy::p2p {
namespace {

using bench::Work;

/// Messages that are all under way at once.
class Batch final : public Work {
public:
    struct Message {
        int peer;
        int slot;
    };

    Batch(const cli::JobCommand& command, Link& link, std::vector<Message> out,
          std::vector<Message> in, bool cold)
        : bytes_(command.bytes),
          corrupt_(command.corrupt != 0),
          cold_(cold),
          link_(link),
          out_(std::move(out)),
          in_(std::move(in)) {}

    void prepare(std::uint64_t batch) override {
        batch_ = batch;
        for (const Message& one : out_) {
            std::byte* const to = link_.outgoing(one.peer, one.slot, bytes_);
            write_message(to, bytes_, seed_of(batch_, link_.rank(), one.slot), 0);
            if (corrupt_) to[bytes_ - 1] ^= std::byte{1};
            if (cold_) evict(to, bytes_);
        }
        for (const Message& one : in_) {
            std::byte* const to = link_.landing(one.slot, bytes_);
            if (to == nullptr) continue;
            std::memset(to, static_cast<int>(batch & 0xff), bytes_);
            if (cold_) evict(to, bytes_);
        }
    }

    void run() override {
        if (in_.empty() && out_.size() == 1) {
            link_.send(out_[0].peer, out_[0].slot, bytes_);
        } else if (out_.empty() && in_.size() == 1) {
            got_ = link_.recv(in_[0].peer, in_[0].slot, bytes_);
        } else {
            for (const Message& one : in_) link_.start_recv(one.peer, one.slot, bytes_);
            for (const Message& one : out_) link_.start_send(one.peer, one.slot, bytes_);
            link_.wait_all();
        }
    }

    bool verify() override {
        bool right = true;
        for (const Message& one : in_) {
            const std::byte* const got = got_ != nullptr ? got_ : link_.arrived(one.slot, bytes_);
            right &= holds_message(got, bytes_, seed_of(batch_, one.peer, one.slot), 0);
        }
        got_ = nullptr;
        return right;
    }

    [[nodiscard]] bool timed() const override { return !in_.empty() || !link_.one_sided(); }

private:
    std::size_t bytes_;
    bool corrupt_;
    bool cold_;
    Link& link_;
    std::vector<Message> out_;
    std::vector<Message> in_;
    std::uint64_t batch_ = 0;
    const std::byte* got_ = nullptr;  // of a single message
};

/// What works that loop inside an operation have in common. Each message's first word counts; the
/// rest is written before the clock, where the link leaves it in place.
class Loop : public Work {
public:
    Loop(const cli::JobCommand& command, Link& link)
        : bytes_(command.bytes),
          iterations_(command.iterations),
          corrupt_(command.corrupt != 0),
          peer_(link.rank() ^ 1),
          link_(link) {}

    void prepare(std::uint64_t batch) override {
        batch_ = batch;
        right_ = true;
    }
    bool verify() override { return right_; }

protected:
    [[nodiscard]] bool leads() const noexcept { return link_.rank() % 2 == 0; }
    [[nodiscard]] std::uint64_t sent_seed(int slot) const noexcept {
        return seed_of(batch_, link_.rank(), slot);
    }
    [[nodiscard]] std::uint64_t got_seed(int slot) const noexcept {
        return seed_of(batch_, peer_, slot);
    }
    /// Writes what changes of message `number`; all of it, if it is the last and lies elsewhere.
    void write(std::byte* at, int slot, std::uint64_t number, bool last) const noexcept {
        if (last && link_.lends_anew()) {
            write_message(at, bytes_, sent_seed(slot), number);
        } else {
            write_head(at, bytes_, sent_seed(slot), number);
        }
        if (last && corrupt_) at[bytes_ - 1] ^= std::byte{1};
    }

    std::size_t bytes_;
    std::uint64_t iterations_;
    bool corrupt_;
    int peer_;
    Link& link_;
    std::uint64_t batch_ = 0;
    bool right_ = true;
};

class Latency final : public Loop {
public:
    using Loop::Loop;

    void prepare(std::uint64_t batch) override {
        Loop::prepare(batch);
        if (link_.lends_anew()) return;
        out_ = link_.outgoing(peer_, 0, bytes_);
        write_message(out_, bytes_, sent_seed(0), 0);
    }

    void run() override {
        for (std::uint64_t i = 0; i < iterations_; ++i) {
            if (leads()) say(i);
            hear(i);
            if (!leads()) say(i);
        }
    }

    bool verify() override {
        return right_ && holds_message(in_, bytes_, got_seed(0), iterations_ - 1);
    }

private:
    void say(std::uint64_t number) {
        if (link_.lends_anew()) out_ = link_.outgoing(peer_, 0, bytes_);
        write(out_, 0, number, number + 1 == iterations_);
        link_.send(peer_, 0, bytes_);
    }
    void hear(std::uint64_t number) {
        if (number > 0) link_.release();
        in_ = link_.recv(peer_, 0, bytes_);
        right_ &= holds_head(in_, bytes_, got_seed(0), number);
    }

    std::byte* out_ = nullptr;
    const std::byte* in_ = nullptr;
};

class MessageRate final : public Loop {
public:
    using Loop::Loop;

    void prepare(std::uint64_t batch) override {
        Loop::prepare(batch);
        if (link_.lends_anew() || !leads()) return;
        for (int slot = 0; slot < max_slots; ++slot) {
            write_message(link_.outgoing(peer_, slot, bytes_), bytes_, sent_seed(slot), 0);
        }
    }

    void run() override {
        for (std::uint64_t window = 0; window < iterations_; ++window) {
            leads() ? send_window(window) : take_window(window);
        }
    }

private:
    [[nodiscard]] bool last(std::uint64_t window) const noexcept {
        return window + 1 == iterations_;
    }

    void send_window(std::uint64_t window) {
        for (int slot = 0; slot < max_slots; ++slot) {
            write(link_.outgoing(peer_, slot, bytes_), slot, window, last(window));
            link_.start_send(peer_, slot, bytes_);
        }
        link_.wait_all();
        right_ &= holds_head(link_.recv(peer_, 0, bytes_), bytes_, got_seed(0), window);
        link_.release();
    }

    void take_window(std::uint64_t window) {
        for (int slot = 0; slot < max_slots; ++slot) link_.start_recv(peer_, slot, bytes_);
        link_.wait_all();
        for (int slot = 0; slot < max_slots; ++slot) {
            const std::byte* const got = link_.arrived(slot, bytes_);
            right_ &= last(window) ? holds_message(got, bytes_, got_seed(slot), window)
                                   : holds_head(got, bytes_, got_seed(slot), window);
        }
        link_.release();
        write_head(link_.outgoing(peer_, 0, bytes_), bytes_, sent_seed(0), window);
        link_.send(peer_, 0, bytes_);
    }
};

std::unique_ptr<Work> make_batch(std::string_view work, const cli::JobCommand& command, Link& link,
                                 int ranks) {
    using Messages = std::vector<Batch::Message>;
    const int rank = link.rank();
    Messages out;
    Messages in;
    if (work == "incast") {
        // The slot is the sender's: each has its place at the receiver.
        if (rank > 0) out.push_back({0, rank - 1});
        for (int peer = 1; rank == 0 && peer < ranks; ++peer) in.push_back({peer, peer - 1});
    } else {
        const int peer = rank ^ 1;
        const bool both = work == "bidirectional";
        const int count = work == "stream" ? max_slots : 1;
        for (int slot = 0; slot < count; ++slot) {
            if (both || rank % 2 == 0) out.push_back({peer, slot});
            if (both || rank % 2 == 1) in.push_back({peer, slot});
        }
    }
    return std::make_unique<Batch>(command, link, std::move(out), std::move(in),
                                   work == "bandwidth_cold");
}

}  // namespace

void evict(const std::byte* at, std::size_t bytes) noexcept {
    constexpr std::size_t line = 64;
#if defined(__x86_64__) || defined(__i386__)
    for (std::size_t i = 0; i < bytes; i += line) _mm_clflush(at + i);
    _mm_mfence();
#elif defined(__aarch64__)
    for (std::size_t i = 0; i < bytes; i += line)
        asm volatile("dc civac, %0" ::"r"(at + i) : "memory");
    asm volatile("dsb sy" ::: "memory");
#else
    // As much as no cache holds: what was there before is gone.
    static std::vector<std::byte> much(std::size_t{256} << 20);
    for (std::size_t i = 0; i < much.size(); i += line) much[i] ^= at[i % bytes];
#endif
}

std::unique_ptr<Work> Link::make_work(const cli::JobCommand& command, int ranks) {
    const std::string_view work = command.work.get();
    if (work == "latency") return std::make_unique<Latency>(command, *this);
    if (work == "message_rate") return std::make_unique<MessageRate>(command, *this);
    for (const std::string_view one :
         {"bandwidth", "bandwidth_cold", "bidirectional", "stream", "incast"}) {
        if (work == one) return make_batch(work, command, *this, ranks);
    }
    throw Unusable(std::string(work) + " is no work of this driver; build it and the tool anew");
}

}  // namespace onecopy::p2p

namespace onecopy::bench {

std::string library() { return p2p::library(); }

std::unique_ptr<Member> join(const Setup& setup) { return p2p::make_link(setup); }

}  // namespace onecopy::bench
