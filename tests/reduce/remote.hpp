// A child process with operands in it, for the tests of transfers that reduce.
#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "onecopy/process.hpp"
#include "onecopy/reduce.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy::test {

using Bytes = std::vector<unsigned char>;

/// Memory of which a child has its own copy: what the child holds is set before the fork, and this
/// process then holds other bytes, so a result can only have come from there.
class Remote {
public:
    explicit Remote(std::size_t bytes) : memory_(bytes) {}
    explicit Remote(std::initializer_list<Page> layout) : memory_(layout, 0) {}

    /// Puts `data` at `offset` of what the child will have.
    void put(std::size_t offset, const Bytes& data) {
        std::memcpy(memory_.data() + offset, data.data(), data.size());
    }
    /// Makes page `index` one of this kind, in the child too.
    void protect(std::size_t index, Page kind) { memory_.protect(index, kind); }

    /// Makes the child. `held`: its number is ours until we reap it.
    const Process& start(bool held = true) {
        child_.emplace();
        process_.emplace(child_->pid(), ProcessOptions{.watch_image = false, .held = held});
        return *process_;
    }

    [[nodiscard]] std::uint64_t address(std::size_t offset = 0) const {
        return memory_.address(offset);
    }
    [[nodiscard]] Child& child() { return *child_; }
    [[nodiscard]] const Process& process() const { return *process_; }

    /// What the child now has there.
    [[nodiscard]] Bytes get(std::size_t offset, std::size_t bytes) const {
        Bytes data(bytes);
        const Transfer got =
            read(*process_, address(offset), std::as_writable_bytes(std::span(data)));
        if (got.bytes != bytes) data.clear();
        return data;
    }

private:
    Memory memory_;
    std::optional<Child> child_;
    std::optional<Process> process_;
};

inline Segment segment(Bytes& bytes) { return std::as_writable_bytes(std::span(bytes)); }
inline ConstSegment segment(const Bytes& bytes) { return std::as_bytes(std::span(bytes)); }

/// reduce() and reduce_into() of one run on each side.
inline Transfer reduce_one(const Process& from, Segment local, RemoteSegment remote, Op op,
                           Type type, Order order = Order::local_op_remote) {
    return reduce(from, std::span(&local, 1), std::span(&remote, 1), op, type, order);
}
inline Transfer reduce_one(const Process& from, Segment local, RemoteSegment remote,
                           const Function& function, Order order = Order::local_op_remote) {
    return reduce(from, std::span(&local, 1), std::span(&remote, 1), function, order);
}
inline Transfer reduce_one_into(const Process& to, ConstSegment local, RemoteSegment remote, Op op,
                                Type type, Order order = Order::remote_op_local) {
    return reduce_into(to, std::span(&local, 1), std::span(&remote, 1), op, type, order);
}
inline Transfer reduce_one_into(const Process& to, ConstSegment local, RemoteSegment remote,
                                const Function& function, Order order = Order::remote_op_local) {
    return reduce_into(to, std::span(&local, 1), std::span(&remote, 1), function, order);
}

}  // namespace onecopy::test
