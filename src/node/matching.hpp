// Which message goes to which receive: by communicator (one of these for each), sender and tag, in
// the order of sending for each sender, in the order of posting among the receives.
//
// Source: MPI 4.0, section 3.5, "Semantics of Point-to-Point Communication".
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "node/list.hpp"
#include "node/operation.hpp"

namespace onecopy::node {

struct InOrder;  // tags of the lists a message is in
struct OfSource;

/// A message that came before its receive: its bytes, or where its sender has them.
struct Arrived : Hook<InOrder>, Hook<OfSource> {
    int source = 0;  ///< rank in the communicator
    int tag = 0;
    std::uint64_t bytes = 0;  ///< of the whole message
    bool large = false;
    bool answered = false;        ///< its sender waits to hear of its receipt, by `at`
    std::vector<std::byte> data;  ///< unless it is large
    Source at;                    ///< if it is
};

/// One thread at a time.
class Matching {
public:
    /// The receive that a message from `source` with `tag` goes to, no longer posted; null: none.
    Operation* take_receive(int source, int tag) noexcept;
    void post(Operation& receive);
    /// For a receive that is posted here.
    void remove(Operation& receive) noexcept;

    /// The message that a receive from `source` (or any_source) with `tag` (or any_tag) gets; it
    /// stays. Null: none.
    [[nodiscard]] Arrived* find(int source, int tag) noexcept;
    void keep(std::unique_ptr<Arrived> message);
    std::unique_ptr<Arrived> take(Arrived& message) noexcept;

    /// Any receive that is posted, any message that is here; null: none.
    [[nodiscard]] Operation* first_receive() noexcept;
    /// Posted for this rank, or for any_source.
    [[nodiscard]] Operation* first_receive_from(int source) noexcept;
    [[nodiscard]] Arrived* first_message() const noexcept { return messages_.first(); }

    Matching() = default;
    Matching(const Matching&) = delete;
    Matching& operator=(const Matching&) = delete;
    ~Matching();

private:
    using Receives = List<Operation, Posted>;
    struct Sender {
        Receives receives;
        List<Arrived, OfSource> messages;
    };

    [[nodiscard]] Sender* known(int source) const noexcept {
        const auto index = static_cast<std::size_t>(source);
        return index < senders_.size() ? senders_[index].get() : nullptr;
    }
    Sender& sender(int source);

    /// By rank; null where nothing was ever posted for it, and nothing came.
    std::vector<std::unique_ptr<Sender>> senders_;
    Receives from_any_;
    List<Arrived, InOrder> messages_;
    std::uint64_t next_order_ = 0;
};

}  // namespace onecopy::node
