#include "cli/core_file.hpp"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <type_traits>

namespace onecopy::cli {
namespace {

struct Elf32 {
    static constexpr unsigned char elf_class = ELFCLASS32;
    using Word = std::uint32_t;
    using Header = Elf32_Ehdr;
    using Program = Elf32_Phdr;
    using Section = Elf32_Shdr;
    using UserId = std::uint16_t;  // in struct elf_prpsinfo of i386
};
struct Elf64 {
    static constexpr unsigned char elf_class = ELFCLASS64;
    using Word = std::uint64_t;
    using Header = Elf64_Ehdr;
    using Program = Elf64_Phdr;
    using Section = Elf64_Shdr;
    using UserId = std::uint32_t;
};

/// NT_PRPSINFO. Source: Linux, include/linux/elfcore.h, struct elf_prpsinfo.
template <class Elf>
struct ProcessInfo {
    char state, state_letter, zombie, nice;
    typename Elf::Word flags;
    typename Elf::UserId uid, gid;
    std::int32_t pid, parent, group, session;
    char name[16];
    char command[80];
};
static_assert(sizeof(ProcessInfo<Elf64>) == 136 && sizeof(ProcessInfo<Elf32>) == 124);

template <class Value>
void append(std::string& out, const Value& value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void pad(std::string& out, std::size_t alignment) {
    out.append((alignment - out.size() % alignment) % alignment, '\0');
}

/// A note's header, name and contents, each padded to 4 bytes, as in core files of either class.
void append_note(std::string& out, std::uint32_t type, const std::string& contents) {
    const std::string name("CORE\0", 5);
    Elf64_Nhdr header{};  // the same for both classes
    header.n_namesz = static_cast<std::uint32_t>(name.size());
    header.n_descsz = static_cast<std::uint32_t>(contents.size());
    header.n_type = type;
    append(out, header);
    out += name;
    pad(out, 4);
    out += contents;
    pad(out, 4);
}

template <class Elf>
std::string process_note(const CoreProcess& process) {
    constexpr std::string_view states = "RSDTZW";  // the letters' numbers; others count as running
    ProcessInfo<Elf> info{};
    const std::size_t state = states.find(process.state);
    info.state = static_cast<char>(state == states.npos ? 0 : state);
    info.state_letter = state == states.npos ? 'R' : process.state;
    info.zombie = process.state == 'Z' ? 1 : 0;
    info.uid = static_cast<typename Elf::UserId>(process.uid);
    info.gid = static_cast<typename Elf::UserId>(process.gid);
    info.pid = process.pid;
    info.parent = process.parent;
    process.name.copy(info.name, sizeof info.name - 1);
    process.command.copy(info.command, sizeof info.command - 1);
    std::string out;
    append(out, info);
    return out;
}

template <class Elf>
std::string files_note(const std::vector<CoreFile>& files, std::uint64_t page) {
    using Word = typename Elf::Word;
    std::string out;
    append(out, static_cast<Word>(files.size()));
    append(out, static_cast<Word>(page));
    for (const CoreFile& file : files) {
        append(out, static_cast<Word>(file.begin));
        append(out, static_cast<Word>(file.end));
        append(out, static_cast<Word>(file.offset / page));
    }
    for (const CoreFile& file : files) out.append(file.name).push_back('\0');
    return out;
}

template <class Elf>
std::string all_notes(const CoreProcess& process, std::uint64_t page) {
    std::string notes;
    append_note(notes, NT_PRPSINFO, process_note<Elf>(process));
    if (!process.auxv.empty()) append_note(notes, NT_AUXV, process.auxv);
    if (!process.files.empty()) append_note(notes, NT_FILE, files_note<Elf>(process.files, page));
    return notes;
}

template <class Elf>
CoreLayout lay_out(CoreKind kind, const CoreProcess& process, std::vector<CoreSegment>& segments) {
    using Word = typename Elf::Word;
    using Program = typename Elf::Program;
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::string notes = all_notes<Elf>(process, page);
    const std::uint64_t programs = segments.size() + 1;
    // Above 65534 program headers their number stands in a section header made for it.
    const bool many = programs >= PN_XNUM;
    const std::uint64_t notes_at = sizeof(typename Elf::Header) + programs * sizeof(Program);
    const std::uint64_t section_at = (notes_at + notes.size() + 7) / 8 * 8;
    const std::uint64_t headers_end =
        many ? section_at + sizeof(typename Elf::Section) : notes_at + notes.size();

    std::uint64_t at = (headers_end + page - 1) / page * page;
    for (CoreSegment& segment : segments) {
        segment.file_offset = at;
        at += segment.bytes;
        if (at > std::numeric_limits<Word>::max()) {
            throw std::length_error("core file beyond the offsets of its class");
        }
    }

    typename Elf::Header header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = Elf::elf_class;
    header.e_ident[EI_DATA] =
        std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_CORE;
    header.e_machine = kind.machine;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Program);
    header.e_phnum = static_cast<std::uint16_t>(many ? PN_XNUM : programs);
    if (many) {
        header.e_shoff = static_cast<Word>(section_at);
        header.e_shentsize = sizeof(typename Elf::Section);
        header.e_shnum = 1;
    }

    CoreLayout layout;
    append(layout.headers, header);
    Program note{};
    note.p_type = PT_NOTE;
    note.p_offset = static_cast<Word>(notes_at);
    note.p_filesz = static_cast<Word>(notes.size());
    note.p_align = 4;
    append(layout.headers, note);
    for (const CoreSegment& segment : segments) {
        Program load{};
        load.p_type = PT_LOAD;
        load.p_flags = (segment.readable ? PF_R : 0U) | (segment.writable ? PF_W : 0U) |
                       (segment.executable ? PF_X : 0U);
        load.p_offset = static_cast<Word>(segment.file_offset);
        load.p_vaddr = static_cast<Word>(segment.address);
        load.p_filesz = static_cast<Word>(segment.bytes);
        load.p_memsz = static_cast<Word>(segment.bytes);
        load.p_align = static_cast<Word>(page);
        append(layout.headers, load);
    }
    layout.headers += notes;
    if (many) {
        pad(layout.headers, 8);
        typename Elf::Section section{};
        section.sh_info = static_cast<std::uint32_t>(programs);
        append(layout.headers, section);
    }
    layout.total_bytes = at;
    return layout;
}

}  // namespace

CoreLayout layout_core(CoreKind kind, const CoreProcess& process,
                       std::vector<CoreSegment>& segments) {
    return kind.wide ? lay_out<Elf64>(kind, process, segments)
                     : lay_out<Elf32>(kind, process, segments);
}

}  // namespace onecopy::cli
