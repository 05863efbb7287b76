#include "traffic.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace onecopy::bench {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t kib = 1024;
constexpr std::size_t eager_bytes = 4 * kib;  // the largest that goes inline
constexpr int traffic_tag = 1;

/// What stands at the beginning and at the end of a message.
struct Stamp {
    std::uint32_t from;
    std::uint32_t number;
};

struct Step {
    const char* name;
    enum class Kind { around, pairs, to_one, barrier } kind;
    std::size_t bytes;
    Buffers::Kind out, in;
};

constexpr auto in_arena = Buffers::Kind::arena;
constexpr auto ordinary = Buffers::Kind::ordinary;
constexpr std::array<Step, 9> steps = {{
    {"eager, small", Step::Kind::around, 8, ordinary, ordinary},
    {"eager, 4 KiB", Step::Kind::around, eager_bytes, in_arena, ordinary},
    {"large, mapped", Step::Kind::around, 256 * kib, in_arena, in_arena},
    {"large, ordinary", Step::Kind::around, 256 * kib, ordinary, ordinary},
    {"large, both kinds", Step::Kind::around, 96 * kib, in_arena, ordinary},
    {"eager, pairs", Step::Kind::pairs, 512, ordinary, ordinary},
    {"large, pairs", Step::Kind::pairs, 128 * kib, in_arena, in_arena},
    {"any source", Step::Kind::to_one, 64, ordinary, ordinary},
    {"barrier", Step::Kind::barrier, 0, ordinary, ordinary},
}};

const Step& step_of(std::uint32_t number) noexcept {
    return steps[scramble(number + 1) % steps.size()];
}

void throw_first(std::span<const Status> statuses) {
    for (const Status& status : statuses) {
        if (status.error) throw std::system_error(status.error);
    }
}

}  // namespace

Buffers::Buffers(Arena& arena, std::size_t bytes) : from_(arena), bytes_(bytes) {
    void* const own =
        ::mmap(nullptr, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap");
    ordinary_ = {static_cast<std::byte*>(own), 2 * bytes};
    try {
        arena_ = {static_cast<std::byte*>(arena.allocate(2 * bytes, page)), 2 * bytes};
    } catch (...) {
        drop_ordinary();
        throw;
    }
    // All of it is there, so that what is allocated beyond it can be told.
    std::memset(arena_.data(), 0, arena_.size());
    std::memset(ordinary_.data(), 0, ordinary_.size());
}

Buffers::~Buffers() {
    drop_ordinary();
    from_.deallocate(arena_.data(), arena_.size(), page);
}

void Buffers::drop_ordinary() noexcept {
    if (!ordinary_.empty()) ::munmap(ordinary_.data(), ordinary_.size());
    ordinary_ = {};
}

void stamp(Segment message, int from, std::uint32_t number) noexcept {
    const Stamp stamp{static_cast<std::uint32_t>(from), number};
    std::memcpy(message.data(), &stamp, sizeof stamp);
    std::memcpy(message.data() + message.size() - sizeof stamp, &stamp, sizeof stamp);
}

bool is_stamped(ConstSegment message, int from, std::uint32_t number) noexcept {
    const Stamp stamp{static_cast<std::uint32_t>(from), number};
    return std::memcmp(message.data(), &stamp, sizeof stamp) == 0 &&
           std::memcmp(message.data() + message.size() - sizeof stamp, &stamp, sizeof stamp) == 0;
}

Traffic::Traffic(Communicator& world, const Buffers& buffers) : world_(world), buffers_(buffers) {
    requests_.reserve(2 * static_cast<std::size_t>(world.size()));
}

const char* Traffic::name_of(std::uint32_t step) const noexcept { return step_of(step).name; }

bool Traffic::take(std::uint32_t step) {
    const Step& what = step_of(step);
    switch (what.kind) {
        case Step::Kind::around:
            return around(step, buffers_.outgoing(what.out), buffers_.incoming(what.in),
                          what.bytes);
        case Step::Kind::pairs:
            return pairs(step, what.bytes);
        case Step::Kind::to_one:
            return to_one(step);
        case Step::Kind::barrier:
            world_.barrier();
            return true;
    }
    return false;
}

/// Each to its right neighbour.
bool Traffic::around(std::uint32_t step, Segment out, Segment in, std::size_t bytes) {
    const int left = neighbour(-1);
    stamp(out.first(bytes), world_.rank(), step);
    world_.sendrecv(out.first(bytes), neighbour(1), traffic_tag, in.first(bytes), left,
                    traffic_tag);
    return is_stamped(in.first(bytes), left, step);
}

/// Blocking, one way, and back; with an odd number one rank looks on, and is ahead of the others.
bool Traffic::pairs(std::uint32_t step, std::size_t bytes) {
    const int other = world_.rank() ^ 1;
    if (other >= world_.size()) return true;
    const Segment out = buffers_.outgoing(in_arena).first(bytes);
    const Segment in = buffers_.incoming(in_arena).first(bytes);
    stamp(out, world_.rank(), step);
    if (world_.rank() < other) world_.send(out, other, traffic_tag);
    world_.recv(in, other, traffic_tag);
    if (world_.rank() > other) world_.send(out, other, traffic_tag);
    return is_stamped(in, other, step);
}

/// All send to one, who takes what comes first.
bool Traffic::to_one(std::uint32_t step) {
    constexpr std::size_t bytes = 64;
    // A tag of its own: the next step's messages of those who are ahead must not be taken.
    const int tag = traffic_tag + 1 + static_cast<int>(step % 1024);
    const int one = static_cast<int>(scramble(step) % static_cast<std::uint32_t>(world_.size()));
    const Segment out = buffers_.outgoing(ordinary).first(bytes);
    if (world_.rank() != one) {
        stamp(out, world_.rank(), step);
        world_.send(out, one, tag);
        return true;
    }
    bool right = true;
    const Segment in = buffers_.incoming(ordinary).first(bytes);
    for (int i = 1; i < world_.size(); ++i) {
        const Status status = world_.recv(in, any_source, tag);
        right = is_stamped(in, status.source, step) && right;
    }
    return right;
}

bool talk_to_peers(Communicator& world, const Buffers& buffers, int peers) {
    constexpr int small_messages = 16;  // of the largest that go inline: twice what a ring holds
    constexpr std::size_t large_bytes = 256 * kib;
    std::vector<int> distances;
    for (int distance = 1; 2 * distance <= peers; ++distance) {
        distances.push_back(distance);
        distances.push_back(-distance);
    }
    const auto rank_at = [&](int distance) {
        return (world.rank() + distance + world.size()) % world.size();
    };
    bool right = true;
    std::uint32_t number = 0;
    // All of them at once.
    const Segment small_out = buffers.outgoing(ordinary).first(eager_bytes);
    const Segment small_in = buffers.incoming(ordinary);
    for (int i = 0; i < small_messages; ++i, ++number) {
        std::vector<Request> requests;
        stamp(small_out, world.rank(), number);
        for (std::size_t each = 0; each < distances.size(); ++each) {
            requests.push_back(world.irecv(small_in.subspan(each * eager_bytes, eager_bytes),
                                           rank_at(distances[each]), traffic_tag));
        }
        for (const int distance : distances) {
            requests.push_back(world.isend(small_out, rank_at(distance), traffic_tag));
        }
        throw_first(wait_all(requests));
        for (std::size_t each = 0; each < distances.size(); ++each) {
            right = is_stamped(small_in.subspan(each * eager_bytes, eager_bytes),
                               rank_at(distances[each]), number) &&
                    right;
        }
    }
    for (const Buffers::Kind from : {in_arena, ordinary}) {
        for (const Buffers::Kind into : {in_arena, ordinary}) {
            for (const int distance : distances) {
                const Segment out = buffers.outgoing(from).first(large_bytes);
                const Segment in = buffers.incoming(into).first(large_bytes);
                stamp(out, world.rank(), number);
                world.sendrecv(out, rank_at(distance), traffic_tag, in, rank_at(-distance),
                               traffic_tag);
                right = is_stamped(in, rank_at(-distance), number) && right;
                ++number;
            }
        }
    }
    return right;
}

}  // namespace onecopy::bench
