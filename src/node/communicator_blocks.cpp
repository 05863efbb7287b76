#include "node/communicator_blocks.hpp"

#include "os/process_number.hpp"

namespace onecopy::node {

CommunicatorBlocks::CommunicatorBlocks(const JobMemory& memory, std::uint32_t communicator,
                                       int members) noexcept
    : memory_(memory),
      record_(memory.collective_record(communicator)),
      members_(static_cast<std::uint32_t>(members)),
      maker_(os::process_number()) {}

CommunicatorBlocks::~CommunicatorBlocks() {
    // In a forked child the memory is not here, and the member is its parent.
    if (record_ == nullptr || os::process_number() != maker_) return;
    if (record_->gone.fetch_add(1, std::memory_order_acq_rel) + 1 != members_) return;
    record_->table.store(over_for_good, std::memory_order_relaxed);
    give_back(Length::block);
    give_back(Length::frames);
}

std::optional<JobMemory::BoardRun> CommunicatorBlocks::take(Length length) noexcept {
    if (record_ == nullptr) return {};
    const auto run = memory_.take_board_run(length);
    if (run) keep(length, run->first);
    return run;
}

void CommunicatorBlocks::keep(Length length, std::uint32_t first) noexcept {
    std::uint32_t before = kept(length).load(std::memory_order_relaxed);
    do {
        memory_.board_link(first).store(before, std::memory_order_relaxed);
    } while (!kept(length).compare_exchange_weak(before, first + 1, std::memory_order_release,
                                                 std::memory_order_relaxed));
}

/// All are the last member's now.
void CommunicatorBlocks::give_back(Length length) noexcept {
    const std::uint32_t first = kept(length).load(std::memory_order_relaxed);
    if (first == 0) return;
    std::uint32_t last = first;
    while (const std::uint32_t before =
               memory_.board_link(last - 1).load(std::memory_order_relaxed)) {
        last = before;
    }
    memory_.give_back_board_runs(length, first - 1, last - 1);
}

}  // namespace onecopy::node
