#include "os/job_segment.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "os/sealed_memfd.hpp"

namespace onecopy::os {

JobSegment::JobSegment(Fd fd, std::size_t bytes)
    : fd_(std::move(fd)), memory_(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get()) {
    if (!memory_) throw std::system_error(errno, std::system_category(), "map the job segment");
    ::madvise(memory_.data(), bytes, MADV_DONTDUMP);
    ::madvise(memory_.data(), bytes, MADV_DONTFORK);
}

JobSegment JobSegment::create(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    bytes = (bytes + page - 1) / page * page;
    return {make_sealed_memfd("onecopy-job", bytes), bytes};
}

JobSegment JobSegment::adopt(Fd fd, std::size_t least_bytes) {
    const std::size_t bytes = size_of_sealed_memfd(fd);
    if (bytes < least_bytes) {
        throw std::system_error(EINVAL, std::system_category(), "job segment too small");
    }
    return {std::move(fd), bytes};
}

}  // namespace onecopy::os
