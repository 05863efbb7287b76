// The ceiling: one core's memcpy out of memory that the other core has just written.
//
// All ranks map what all ranks send. A message is nothing but the receiver's memcpy: there is not
// even a word that says it is there, because it was written before the driver's barrier. So works
// in which messages answer each other cannot be done this way.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "copying_link.hpp"
#include "os/fd.hpp"

namespace onecopy::p2p {
namespace {

/// A file of the job, mapped; made by whoever comes first.
class SharedFile {
public:
    SharedFile(const std::string& path, std::size_t bytes) : bytes_(bytes) {
        const os::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) fail(path);
        void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        if (at == MAP_FAILED) fail(path);
        at_ = static_cast<std::byte*>(at);
    }
    SharedFile(SharedFile&& other) noexcept
        : at_(std::exchange(other.at_, nullptr)), bytes_(other.bytes_) {}
    SharedFile& operator=(SharedFile&&) = delete;
    ~SharedFile() {
        if (at_ != nullptr) ::munmap(at_, bytes_);
    }
    [[nodiscard]] std::byte* data() const noexcept { return at_; }

private:
    [[noreturn]] static void fail(const std::string& path) {
        throw Unusable(path + ": " + std::strerror(errno));
    }

    std::byte* at_ = nullptr;
    std::size_t bytes_;
};

class MemcpyLink final : public CopyingLink {
public:
    explicit MemcpyLink(const Setup& setup) : rank_(setup.rank), to_(setup.area_bytes) {
        for (int i = 0; i < setup.ranks; ++i) {
            areas_.emplace_back(setup.folder + "/area" + std::to_string(i), setup.area_bytes);
        }
    }

    [[nodiscard]] int rank() const override { return rank_; }
    [[nodiscard]] bool one_sided() const override { return true; }

    void send(int, int, std::size_t) override {}
    void start_send(int, int, std::size_t) override {}
    const std::byte* recv(int peer, int slot, std::size_t bytes) override {
        std::memcpy(landing(slot, bytes), in_area(area_of(peer), slot, bytes), bytes);
        return landing(slot, bytes);
    }
    void start_recv(int peer, int slot, std::size_t bytes) override { recv(peer, slot, bytes); }
    void wait_all() override {}

protected:
    [[nodiscard]] std::byte* from() override { return area_of(rank_); }
    [[nodiscard]] std::byte* to() override { return to_.data(); }

private:
    [[nodiscard]] std::byte* area_of(int rank) const {
        return areas_[static_cast<std::size_t>(rank)].data();
    }

    int rank_;
    Area to_;
    std::vector<SharedFile> areas_;
};

}  // namespace

std::string library() { return "glibc"; }

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<MemcpyLink>(setup); }

}  // namespace onecopy::p2p
