#include "arena/write_hold.hpp"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace onecopy::arena {
namespace {

os::Fd open_userfault() noexcept {
    os::Fd fault(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
    if (fault) return fault;
    const os::Fd device(::open("/dev/userfaultfd", O_RDWR | O_CLOEXEC));
    if (!device) return os::Fd{};
    return os::Fd(::ioctl(device.get(), USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK));
}

}  // namespace

bool WriteHold::arm(Range whole, std::span<const Range> ranges) noexcept {
    fault_ = open_userfault();
    if (!fault_) return false;
    uffdio_api api{};
    api.api = UFFD_API;
    api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
    uffdio_register registered{};
    registered.range = {whole.begin, whole.end - whole.begin};
    registered.mode = UFFDIO_REGISTER_MODE_WP;
    if (::ioctl(fault_.get(), UFFDIO_API, &api) != 0 ||
        ::ioctl(fault_.get(), UFFDIO_REGISTER, &registered) != 0) {
        fault_ = os::Fd{};
        return false;
    }
    whole_ = whole;
    for (const Range& range : ranges) {
        uffdio_writeprotect hold{};
        hold.range = {range.begin, range.end - range.begin};
        hold.mode = UFFDIO_WRITEPROTECT_MODE_WP;
        if (::ioctl(fault_.get(), UFFDIO_WRITEPROTECT, &hold) != 0) {
            disarm();
            return false;
        }
    }
    return true;
}

void WriteHold::disarm() noexcept {
    if (!fault_) return;
    // Takes the protection off all pages and wakes who waits.
    uffdio_range range{whole_.begin, whole_.end - whole_.begin};
    ::ioctl(fault_.get(), UFFDIO_UNREGISTER, &range);
    fault_ = os::Fd{};
}

}  // namespace onecopy::arena
