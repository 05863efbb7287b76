#include "mpi/traffic.hpp"

#include "attach/transfer.hpp"

namespace onecopy::mpi {

CountedReader::CountedReader(Traffic& traffic) noexcept
    : process_vm_(attach::process_vm_engine(), traffic.process_vm),
      proc_mem_(attach::proc_mem_engine(), traffic.proc_mem),
      engines_{&process_vm_, &proc_mem_} {}

Transfer CountedReader::read(const Process& from, std::uint64_t address,
                             Segment into) const noexcept {
    const RemoteSegment remote{address, into.size()};
    return attach::read(from.target(), std::span(&remote, 1), std::span(&into, 1), engines_);
}

}  // namespace onecopy::mpi
