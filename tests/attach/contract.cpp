#include "contract.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <ostream>

#include "attach/peer_memory.hpp"
#include "attach/target.hpp"
#include "os/fd.hpp"

namespace onecopy::test {
namespace {

constexpr unsigned local_seed = 1;
constexpr unsigned remote_seed = 2;

std::vector<bool> holes_of(Layout layout) {
    std::vector<bool> holes;
    for (const Page kind : layout) holes.push_back(kind == Page::hole);
    return holes;
}

/// Makes a page readable, whatever it was, and copies it out. In the process that owns it.
std::int64_t copy_out(const Words& words) {
    void* const from = reinterpret_cast<void*>(words[0]);
    if (::mprotect(from, page, PROT_READ) != 0) return -1;
    std::memcpy(reinterpret_cast<void*>(words[1]), from, page);
    return 0;
}

/// Pages of a child that are mapped here as well, as those of an arena would be.
class SharedPages final : public attach::PeerMemory {
public:
    SharedPages(os::Fd file, std::vector<std::uint64_t> places)
        : places_(std::move(places)),
          memory_(std::make_shared<Memory>(places_.size() * page, PROT_READ | PROT_WRITE,
                                           MAP_SHARED, file.get())) {}

    Reach reach(std::uint64_t address, std::uint64_t bytes) noexcept override {
        for (std::size_t i = 0; i < places_.size(); ++i) {
            const std::uint64_t within = address - places_[i];
            if (places_[i] == 0 || address < places_[i] || within >= page) continue;
            return {memory_->span(i * page + within, std::min(bytes, page - within)), memory_};
        }
        return {};
    }
    // Nothing proves it, so all that the contract says of death and exec is tested.
    [[nodiscard]] bool owner_is_here() const noexcept override { return false; }

private:
    std::vector<std::uint64_t> places_;
    std::shared_ptr<const Memory> memory_;
};

/// Memory that all children share, made before any of them: for lists that are told to them.
constexpr std::size_t room_for_lists = 64 << 10;
std::uint64_t* const list_for_children = static_cast<std::uint64_t*>(
    ::mmap(nullptr, room_for_lists, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

/// In the child: puts its own pages, so many and at the places listed, into a file, and strikes out
/// those that it has not. The descriptor.
std::int64_t put_into_a_file(const Words& words) {
    auto* const places = reinterpret_cast<std::uint64_t*>(words[0]);
    const int file = ::memfd_create("pages", 0);
    if (::ftruncate(file, static_cast<off_t>(words[1] * page)) != 0) return -1;
    for (std::uint64_t i = 0; i < words[1]; ++i) {
        void* const at = reinterpret_cast<void*>(static_cast<std::uintptr_t>(places[i]));
        const auto offset = static_cast<off_t>(i * page);
        if (::pwrite(file, at, page, offset) != static_cast<ssize_t>(page)) {
            places[i] = 0;  // made after the fork
            continue;
        }
        if (::mmap(at, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, offset) ==
            MAP_FAILED) {
            return -1;
        }
    }
    return file;
}

void share_pages(Child& child, const Process& process) {
    if (child.kept) {
        process.target().serve_by(std::static_pointer_cast<attach::PeerMemory>(child.kept));
        return;
    }
    std::vector<std::uint64_t> places;
    for (const Memory::LaidOut& laid_out : Memory::all_laid_out()) {
        if (laid_out.writable) places.push_back(reinterpret_cast<std::uintptr_t>(laid_out.page));
    }
    if (places.empty()) return;
    ASSERT_LE(places.size() * sizeof(std::uint64_t), room_for_lists);
    std::copy(places.begin(), places.end(), list_for_children);
    const std::int64_t file = child.run(put_into_a_file, list_for_children, places.size());
    ASSERT_GE(file, 0);
    std::copy_n(list_for_children, places.size(), places.begin());
    const std::string path = "/proc/" + std::to_string(child.pid()) + "/fd/" + std::to_string(file);
    os::Fd opened(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(opened) << path;
    std::shared_ptr<attach::PeerMemory> memory =
        std::make_shared<SharedPages>(std::move(opened), std::move(places));
    child.kept = memory;
    process.target().serve_by(std::move(memory));
}

}  // namespace

std::span<const Way> ways() {
    using enum Difference;
    constexpr Difference call = needs_the_first_thread | (sizeof(void*) < 8 ? ends_at_4_gib : none);
    static const Way list[] = {
        {"process_vm", attach::process_vm_engine, true, false, false, call, call},
        {"proc_mem", attach::proc_mem_engine, false, false, false,
         reads_protected_pages | never_waits_for_a_page, never_waits_for_a_page},
        {"automatic", nullptr, false, true, false, none, never_waits_for_a_page},
        {"automatic_held", nullptr, true, false, false, none, none},
        {"mapped", nullptr, false, false, true, none, never_waits_for_a_page},
    };
    return list;
}

Process open(const Way& way, Child& child) {
    Process process(child.pid(), {false, way.held});
    if (way.mapped && process.alive()) share_pages(child, process);
    for (int i = 0; way.asked_often && i < 40; ++i) (void)process.target().ended();
    return process;
}

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

std::string contract_name(const ::testing::TestParamInfo<std::tuple<Way, Direction>>& info) {
    return std::string(std::get<0>(info.param).name) +
           (std::get<1>(info.param) == Direction::read ? "_read" : "_write");
}

Transfer transfer(const Way& way, Direction direction, const Process& process,
                  std::span<const Segment> local, std::span<const RemoteSegment> remote) {
    const std::vector<ConstSegment> source(local.begin(), local.end());
    if (way.engine == nullptr) {
        return direction == Direction::read ? read(process, remote, local)
                                            : write(process, source, remote);
    }
    const attach::Engine* const only = &way.engine();
    return direction == Direction::read
               ? attach::read(process.target(), remote, local, std::span(&only, 1))
               : attach::write(process.target(), source, remote, std::span(&only, 1));
}

struct Rig::Prepared {
    Prepared(Layout local_layout, Layout remote_layout)
        : local(local_layout, local_seed),
          remote(remote_layout, remote_seed),
          window(page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1),
          local_holes(holes_of(local_layout)),
          remote_holes(holes_of(remote_layout)) {}
    Memory local, remote, window;
    std::vector<bool> local_holes, remote_holes;
};

Rig::Rig(const Way& way, Direction direction, Layout local_layout, Layout remote_layout)
    : Rig(way, direction, Prepared(local_layout, remote_layout)) {}

Rig::Rig(const Way& way, Direction direction, Prepared&& prepared)
    : process(open(way, child)),
      local(std::move(prepared.local)),
      remote(std::move(prepared.remote)),
      way_(way),
      direction_(direction),
      local_holes_(std::move(prepared.local_holes)),
      remote_holes_(std::move(prepared.remote_holes)),
      window_(std::move(prepared.window)) {}

void Rig::move(std::vector<Piece> local_list, std::vector<Piece> remote_list) {
    std::vector<Segment> near;
    std::vector<RemoteSegment> far;
    for (const Piece& piece : local_list) {
        const std::uint64_t at = piece.absolute ? piece.at : local.address(piece.at);
        near.emplace_back(reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(at)),
                          static_cast<std::size_t>(piece.bytes));
    }
    for (const Piece& piece : remote_list) {
        far.push_back({piece.absolute ? piece.at : remote.address(piece.at), piece.bytes});
    }
    local_list_ = std::move(local_list);
    remote_list_ = std::move(remote_list);
    got_ = transfer(way_, direction_, process, near, far);
}

std::vector<std::byte> Rig::contents(bool of_remote) {
    const Memory& memory = of_remote ? remote : local;
    const std::vector<bool>& holes = of_remote ? remote_holes_ : local_holes_;
    std::vector<std::byte> all(memory.bytes());
    for (std::size_t i = 0; i < holes.size(); ++i) {
        if (holes[i]) continue;
        const std::byte* const from = memory.data() + i * page;
        if (of_remote) {
            EXPECT_EQ(child.run(copy_out, from, window_.data()), 0);
        } else {
            EXPECT_EQ(copy_out({reinterpret_cast<std::uintptr_t>(from), window_.address()}), 0);
        }
        std::memcpy(all.data() + i * page, window_.data(), page);
    }
    return all;
}

void Rig::expect(std::uint64_t bytes, int error) {
    EXPECT_EQ(got_.bytes, bytes);
    EXPECT_EQ(got_.error.value(), error) << got_.error.message();
    const bool reading = direction_ == Direction::read;
    const Memory& target = reading ? local : remote;
    const std::vector<bool>& holes = reading ? local_holes_ : remote_holes_;
    std::vector<std::byte> wanted(target.bytes());
    fill(wanted, reading ? local_seed : remote_seed);
    for (std::size_t i = 0; i < holes.size(); ++i) {
        if (holes[i])
            std::fill_n(wanted.begin() + static_cast<std::ptrdiff_t>(i * page), page, std::byte{});
    }
    // A plain walk of both lists, byte by byte.
    std::size_t near = 0;
    std::size_t far = 0;
    std::uint64_t near_at = 0;
    std::uint64_t far_at = 0;
    for (std::uint64_t moved = 0; moved < got_.bytes; ++moved) {
        while (near < local_list_.size() && near_at == local_list_[near].bytes) ++near, near_at = 0;
        while (far < remote_list_.size() && far_at == remote_list_[far].bytes) ++far, far_at = 0;
        ASSERT_TRUE(near < local_list_.size() && far < remote_list_.size()) << "more than asked";
        const std::uint64_t here = local_list_[near].at + near_at++;
        const std::uint64_t there = remote_list_[far].at + far_at++;
        const std::uint64_t to = reading ? here : there;
        ASSERT_LT(to, wanted.size()) << "a byte that cannot be reached was moved";
        wanted[static_cast<std::size_t>(to)] =
            reading ? pattern(remote_seed, there) : pattern(local_seed, here);
    }
    const std::vector<std::byte> now = contents(!reading);
    const auto differ = std::mismatch(now.begin(), now.end(), wanted.begin()).first;
    EXPECT_EQ(differ - now.begin(), static_cast<std::ptrdiff_t>(now.size()))
        << "the destination is wrong from this byte on";
}

bool EngineContract::differs(Difference difference) const {
    const Difference all = reading() ? way().when_reading : way().when_writing;
    return (static_cast<unsigned>(all) & static_cast<unsigned>(difference)) != 0;
}

Process EngineContract::open(Child& child) const { return test::open(way(), child); }

Transfer EngineContract::move(const Process& process, Segment local, std::uint64_t address) const {
    const RemoteSegment remote{address, local.size()};
    return transfer(way(), direction(), process, std::span(&local, 1), std::span(&remote, 1));
}

}  // namespace onecopy::test
