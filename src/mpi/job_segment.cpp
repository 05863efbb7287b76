#include "mpi/job_segment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace onecopy::mpi {

namespace {

constexpr int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

[[noreturn]] void fail(int error, const char* what) {
    throw std::system_error(error, std::system_category(), what);
}

}  // namespace

JobSegment::JobSegment(os::Fd fd, std::size_t bytes) : fd_(std::move(fd)) {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (at == MAP_FAILED) fail(errno, "map the job segment");
    bytes_ = {static_cast<std::byte*>(at), bytes};
    ::madvise(at, bytes, MADV_DONTDUMP);
    ::madvise(at, bytes, MADV_DONTFORK);
}

JobSegment JobSegment::create(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    bytes = (bytes + page - 1) / page * page;
    // Past this limit ftruncate does not merely fail: it sends SIGXFSZ.
    rlimit limit{};
    if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes) {
        fail(EFBIG, "job segment above the file size limit (ulimit -f)");
    }
    os::Fd fd(::memfd_create("onecopy-job", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) fail(errno, "memfd_create");
    if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) fail(errno, "size the job segment");
    if (::fcntl(fd.get(), F_ADD_SEALS, sealed) != 0) fail(errno, "seal the job segment");
    return {std::move(fd), bytes};
}

JobSegment JobSegment::adopt(os::Fd fd, std::size_t least_bytes) {
    const int seals = ::fcntl(fd.get(), F_GET_SEALS);
    if (seals < 0 || (seals & sealed) != sealed) fail(EINVAL, "job segment without its seals");
    struct stat facts {};
    if (::fstat(fd.get(), &facts) != 0) fail(errno, "fstat of the job segment");
    const auto bytes = static_cast<std::size_t>(facts.st_size);
    if (bytes < least_bytes) fail(EINVAL, "job segment too small");
    return {std::move(fd), bytes};
}

JobSegment::JobSegment(JobSegment&& other) noexcept
    : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})) {}

JobSegment& JobSegment::operator=(JobSegment&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

JobSegment::~JobSegment() {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace onecopy::mpi
