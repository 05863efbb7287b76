#include "mpi/build_id.hpp"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace onecopy::mpi {

namespace {

struct Search {
    std::uintptr_t inside;
    std::array<std::byte, 32> id{};
};

std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

/// Source: elf(5), "Notes (Nhdr)".
void read_notes(const std::byte* at, const std::byte* end, Search& search) {
    while (at + sizeof(ElfW(Nhdr)) <= end) {
        ElfW(Nhdr) note;
        std::memcpy(&note, at, sizeof note);
        const std::byte* name = at + sizeof note;
        const std::byte* content = name + padded(note.n_namesz);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            std::memcmp(name, "GNU", 4) == 0) {
            std::memcpy(search.id.data(), content,
                        std::min<std::size_t>(note.n_descsz, search.id.size()));
            return;
        }
        at = content + padded(note.n_descsz);
    }
}

int look(dl_phdr_info* info, std::size_t, void* data) {
    auto* search = static_cast<Search*>(data);
    bool ours = false;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& part = info->dlpi_phdr[i];
        const std::uintptr_t begin = info->dlpi_addr + part.p_vaddr;
        ours = ours || (part.p_type == PT_LOAD && search->inside >= begin &&
                        search->inside < begin + part.p_memsz);
    }
    if (!ours) return 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& part = info->dlpi_phdr[i];
        if (part.p_type != PT_NOTE) continue;
        const auto* begin = reinterpret_cast<const std::byte*>(info->dlpi_addr + part.p_vaddr);
        read_notes(begin, begin + part.p_memsz, *search);
    }
    return 1;
}

}  // namespace

std::array<std::byte, 32> build_id() noexcept {
    Search search{reinterpret_cast<std::uintptr_t>(&build_id)};
    ::dl_iterate_phdr(look, &search);
    return search.id;
}

}  // namespace onecopy::mpi
