// What the ranks of `onecopy bench collectives` do in one operation, by whatever library they have.
//
//   barrier, bcast, gather, scatter, allgather, alltoall, reduce, allreduce, reduce_scatter, scan,
//   exscan                                    one such call
//   barrier_stream, bcast_stream, allreduce_stream
//                                             calls back to back, as many as the command says
//   iallreduce, ibcast, ialltoall             begun without waiting, and then waited for
//   iallreduce_overlap, ibcast_overlap, ialltoall_overlap
//                                             the same with computing in between
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "library.hpp"
#include "values.hpp"

namespace onecopy::together {
namespace {

constexpr int root = 0;

constexpr std::array<std::pair<std::string_view, Call>, 11> calls = {
    {{"barrier", Call::barrier},
     {"bcast", Call::bcast},
     {"gather", Call::gather},
     {"scatter", Call::scatter},
     {"allgather", Call::allgather},
     {"alltoall", Call::alltoall},
     {"reduce", Call::reduce},
     {"allreduce", Call::allreduce},
     {"reduce_scatter", Call::reduce_scatter},
     {"scan", Call::scan},
     {"exscan", Call::exscan}}};

/// A call's buffers: what this rank sends and what must come to it.
class Exchange {
public:
    Exchange(Call call, std::size_t bytes, bool corrupt, int ranks, Library& library)
        : call_(call), bytes_(bytes), corrupt_(corrupt), ranks_(ranks), library_(library) {}

    /// Writes what this rank sends, and spoils where something is to come. The first element of
    /// all vectors is for the taking, see count().
    void prepare(std::uint64_t batch) {
        batch_ = batch;
        number_ = 0;
        const int parts = sent_parts();
        for (int part = 0; part < parts; ++part) {
            write_values(library_.from() + offset(part), bytes_, mark_of(batch_, rank(), part));
        }
        const std::size_t all = bytes_ * static_cast<std::size_t>(parts);
        if (corrupt_ && all > 0) library_.from()[all - 1] ^= std::byte{1};
        std::memset(library_.to(), static_cast<int>(batch & 0xff), came_bytes());
    }

    /// Makes the first element of what a bcast or an allreduce sends another one: before the next
    /// call of a stream.
    void count(std::uint64_t number) noexcept {
        number_ = static_cast<double>(number);
        if (sent_parts() == 0) return;
        const double first = mark_of(batch_, rank(), 0) + place_of(0) + number_;
        if (!corrupt_ || bytes_ > sizeof first) std::memcpy(library_.from(), &first, sizeof first);
    }
    /// Whether the first element of what came is that of this call of the stream.
    [[nodiscard]] bool first_is_right() const noexcept {
        if (came_bytes() == 0) return true;
        const auto [marks, terms] = expected();
        double first = 0;
        std::memcpy(&first, library_.to(), sizeof first);
        return first == marks + terms * (place_of(0) + number_);
    }

    /// To the last element.
    [[nodiscard]] bool verify() const {
        if (library_.does_nothing()) return true;
        if (call_ == Call::bcast || combines()) {
            if (came_bytes() == 0) return true;
            const auto [marks, terms] = expected();
            return first_is_right() && holds_values(library_.to(), bytes_, marks, terms, 1);
        }
        bool right = true;
        for (int part = 0; part < came_parts(); ++part) {
            const double mark = call_ == Call::scatter    ? mark_of(batch_, root, rank())
                                : call_ == Call::alltoall ? mark_of(batch_, part, rank())
                                                          : mark_of(batch_, part, 0);
            right &= holds_values(library_.to() + offset(part), bytes_, mark, 1);
        }
        return right;
    }

    [[nodiscard]] Call call() const noexcept { return call_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    [[nodiscard]] int rank() const { return library_.rank(); }
    [[nodiscard]] bool leads() const { return rank() == root; }
    [[nodiscard]] std::size_t offset(int part) const noexcept {
        return static_cast<std::size_t>(part) * bytes_;
    }
    [[nodiscard]] bool combines() const noexcept {
        return call_ == Call::reduce || call_ == Call::allreduce || call_ == Call::reduce_scatter ||
               call_ == Call::scan || call_ == Call::exscan;
    }

    [[nodiscard]] int sent_parts() const {
        switch (call_) {
            case Call::barrier:
                return 0;
            case Call::bcast:
                return leads() ? 1 : 0;
            case Call::scatter:
                return leads() ? ranks_ : 0;
            case Call::alltoall:
            case Call::reduce_scatter:
                return ranks_;
            default:
                return 1;
        }
    }
    [[nodiscard]] int came_parts() const {
        switch (call_) {
            case Call::barrier:
                return 0;
            case Call::bcast:
            case Call::exscan:
                return leads() ? 0 : 1;
            case Call::gather:
                return leads() ? ranks_ : 0;
            case Call::reduce:
                return leads() ? 1 : 0;
            case Call::allgather:
            case Call::alltoall:
                return ranks_;
            default:
                return 1;
        }
    }
    [[nodiscard]] std::size_t came_bytes() const { return offset(came_parts()); }

    struct Sum {
        double marks;
        double terms;
    };
    /// Of what comes in a bcast or where something is combined.
    [[nodiscard]] Sum expected() const {
        if (call_ == Call::bcast) return {mark_of(batch_, root, 0), 1};
        const int end = call_ == Call::scan ? rank() + 1 : call_ == Call::exscan ? rank() : ranks_;
        const int part = call_ == Call::reduce_scatter ? rank() : 0;
        double marks = 0;
        for (int one = 0; one < end; ++one) marks += mark_of(batch_, one, part);
        return {marks, static_cast<double>(end)};
    }

    Call call_;
    std::size_t bytes_;
    bool corrupt_;
    int ranks_;
    Library& library_;
    std::uint64_t batch_ = 0;
    double number_ = 0;  // of the call in a stream
};

class Single : public bench::Work {
public:
    Single(Exchange exchange, Library& library) : exchange_(exchange), library_(library) {}

    void prepare(std::uint64_t batch) override { exchange_.prepare(batch); }
    void run() override { library_.carry_out(exchange_.call(), exchange_.bytes()); }
    bool verify() override { return exchange_.verify(); }

protected:
    Exchange exchange_;
    Library& library_;
};

class Stream final : public Single {
public:
    Stream(Exchange exchange, std::uint64_t iterations, Library& library)
        : Single(exchange, library), iterations_(iterations) {}

    void run() override {
        right_ = true;
        for (std::uint64_t i = 0; i < iterations_; ++i) {
            exchange_.count(i);
            library_.carry_out(exchange_.call(), exchange_.bytes());
            right_ &= exchange_.first_is_right();
        }
    }
    bool verify() override { return right_ && exchange_.verify(); }

private:
    std::uint64_t iterations_;
    bool right_ = true;
};

/// Computes for about a microsecond, in registers.
void compute_a_while() noexcept {
    static volatile double sink = 1;
    double value = sink;
    for (int i = 0; i < 512; ++i) value = value * 0.999 + 0.001;
    sink = value;
}

/// Begins a call, computes in pieces (or not at all), lets the call go on in between, and waits.
class Background final : public Single {
public:
    Background(Exchange exchange, bool computes, Library& library)
        : Single(exchange, library),
          pieces_(computes ? most_pieces : 0),
          piece_(std::max(least_piece, exchange.bytes() / bytes_a_turn / most_pieces)) {}

    void run() override {
        library_.start(exchange_.call(), exchange_.bytes());
        for (std::size_t piece = 0; piece < pieces_; ++piece) {
            for (std::size_t i = 0; i < piece_; ++i) compute_a_while();
            library_.test();
        }
        library_.wait();
    }

private:
    static constexpr std::size_t most_pieces = 16;
    static constexpr std::size_t least_piece = 1;
    static constexpr std::size_t bytes_a_turn = 8192;  // communicated at 8 GB/s while computing

    std::size_t pieces_;
    std::size_t piece_;
};

/// Cuts `suffix` off `text` if it ends with it.
bool cut(std::string_view& text, std::string_view suffix) noexcept {
    if (!text.ends_with(suffix)) return false;
    text.remove_suffix(suffix.size());
    return true;
}

}  // namespace

std::unique_ptr<bench::Work> Library::make_work(const cli::JobCommand& command, int ranks) {
    std::string_view name = command.work.get();
    const bool streams = cut(name, "_stream");
    const bool overlaps = cut(name, "_overlap");
    const bool waits_later = overlaps || (name.starts_with('i') && !streams);
    if (waits_later) name.remove_prefix(1);
    for (const auto& [call_name, call] : calls) {
        if (name != call_name) continue;
        const Exchange exchange(call, command.bytes, command.corrupt != 0, ranks, *this);
        if (waits_later) return std::make_unique<Background>(exchange, overlaps, *this);
        if (streams) return std::make_unique<Stream>(exchange, command.iterations, *this);
        return std::make_unique<Single>(exchange, *this);
    }
    throw Unusable(std::string(command.work.get()) +
                   " is no work of this driver; build it and the tool anew");
}

}  // namespace onecopy::together
