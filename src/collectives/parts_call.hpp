// Calls whose blocks have different sizes, which not all ranks know, and reductions of elements
// that no frame holds: a message for each pair of ranks.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "collectives/group.hpp"
#include "collectives/prepared.hpp"
#include "node/operation.hpp"
#include "node/work.hpp"

namespace onecopy::collectives {

class PartsCall final : public node::Work {
public:
    /// `inner`: the context of our own messages. Throws std::bad_alloc.
    PartsCall(Group& group, node::Context& inner, const Prepared& prepared);

    bool advance() noexcept override;

private:
    struct Part {
        std::size_t at = 0, bytes = 0;
    };
    struct Operands {
        int first = 0, end = 0;
    };
    void describe();
    [[nodiscard]] bool overlaps() const noexcept;
    [[nodiscard]] Operands operands_of(int member) const noexcept;
    void exchange_operands(int member, Part out);
    void exchange(int member, Part out, Part in);
    void own_part(Part out, Part in) noexcept;
    void receive(int from, std::byte* to, std::size_t bytes);
    void send(int to, const std::byte* from, std::size_t bytes);
    node::Operation& operation(node::Kind kind, int peer, node::Pieces memory);
    void look_at(const node::Operation& over) noexcept;
    void fold() noexcept;

    Group& group_;
    node::Context& inner_;
    Prepared prepared_;
    std::vector<std::unique_ptr<node::Operation>> operations_;  ///< receives first
    std::unique_ptr<std::byte[]> arrived_;                      ///< operands, by rank; or what goes
    std::size_t own_at_ = 0;                                    ///< of the own operand
    std::size_t begun_ = 0, over_ = 0;
    std::error_code error_;
};

}  // namespace onecopy::collectives
