// Reading core files back, with a reader of its own: it shares nothing with what wrote them.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace onecopy::test {

/// A core file of either class, whole in memory (so: small ones only), or only its headers.
class CoreReader {
public:
    struct Segment {
        std::uint32_t type, flags;
        std::uint64_t offset, address, file_bytes, memory_bytes;
    };
    struct Note {
        std::uint32_t type;
        std::string contents;
    };

    explicit CoreReader(std::string file) : file_(std::move(file)) {
        if (file_.size() < EI_NIDENT || file_.compare(0, SELFMAG, ELFMAG) != 0) {
            throw std::runtime_error("no ELF file");
        }
        if (wide()) {
            take_headers<Elf64_Ehdr, Elf64_Phdr, Elf64_Shdr>();
        } else {
            take_headers<Elf32_Ehdr, Elf32_Phdr, Elf32_Shdr>();
        }
    }

    [[nodiscard]] bool wide() const { return file_[EI_CLASS] == ELFCLASS64; }
    [[nodiscard]] std::uint16_t type() const { return type_; }
    [[nodiscard]] std::uint16_t machine() const { return machine_; }
    [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }

    /// The segment that holds an address, or nullptr.
    [[nodiscard]] const Segment* find(std::uint64_t address) const {
        for (const Segment& one : segments_) {
            if (one.type == PT_LOAD && address >= one.address &&
                address - one.address < one.memory_bytes) {
                return &one;
            }
        }
        return nullptr;
    }

    /// What it holds from an address on; throws where it holds nothing.
    [[nodiscard]] std::string memory(std::uint64_t address, std::size_t bytes) const {
        const Segment* one = find(address);
        if (one == nullptr) throw std::runtime_error("not in the core file");
        return file_.substr(one->offset + (address - one->address), bytes);
    }

    [[nodiscard]] std::vector<Note> notes() const {
        std::vector<Note> all;
        for (const Segment& one : segments_) {
            if (one.type != PT_NOTE) continue;
            std::size_t at = one.offset;
            while (at < one.offset + one.file_bytes) {
                Elf64_Nhdr header{};
                std::memcpy(&header, &file_.at(at), sizeof header);
                at += sizeof header + (header.n_namesz + 3) / 4 * 4;
                all.push_back({header.n_type, file_.substr(at, header.n_descsz)});
                at += (header.n_descsz + 3) / 4 * 4;
            }
        }
        return all;
    }

private:
    template <class Header, class Program, class Section>
    void take_headers() {
        Header header{};
        std::memcpy(&header, file_.data(), sizeof header);
        type_ = header.e_type;
        machine_ = header.e_machine;
        std::size_t count = header.e_phnum;
        if (count == PN_XNUM) {
            Section section{};
            std::memcpy(&section, &file_.at(header.e_shoff), sizeof section);
            count = section.sh_info;
        }
        for (std::size_t i = 0; i < count; ++i) {
            Program one{};
            std::memcpy(&one, &file_.at(header.e_phoff + i * header.e_phentsize), sizeof one);
            segments_.push_back(
                {one.p_type, one.p_flags, one.p_offset, one.p_vaddr, one.p_filesz, one.p_memsz});
        }
    }

    std::string file_;
    std::uint16_t type_ = 0;
    std::uint16_t machine_ = 0;
    std::vector<Segment> segments_;
};

}  // namespace onecopy::test
