// The headers of an ELF core file: what gdb, lldb, readelf and objdump open. Pure: bytes in, bytes
// out.
//
// A core file is an ELF header, one program header per segment and one for the notes, the notes
// (auxiliary vector, mapped files, the process), and then the memory itself, each segment at a
// file offset that its program header names. There are no registers: reading them would mean
// stopping the process as a debugger does.
// Source: elf(5), core(5); NT_FILE: Linux, fs/binfmt_elf.c, fill_files_note.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace onecopy::cli {

/// A run of the target's memory.
struct CoreSegment {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    bool readable = true;
    bool writable = false;
    bool executable = false;
    std::uint64_t file_offset = 0;  ///< set by layout_core()
};

/// A file that is mapped, for NT_FILE.
struct CoreFile {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t offset = 0;  ///< in bytes, a multiple of the page size
    std::string name;
};

struct CoreProcess {
    int pid = 0;
    int parent = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    char state = 'R';
    std::string name;     ///< of the executable
    std::string command;  ///< the command line, separated by blanks
    std::string auxv;     ///< as in /proc/PID/auxv
    std::vector<CoreFile> files;
};

/// What kind of machine code the target runs.
struct CoreKind {
    bool wide = true;           ///< 64-bit: ELFCLASS64, else ELFCLASS32
    std::uint16_t machine = 0;  ///< EM_X86_64, EM_386, ...
};

struct CoreLayout {
    std::string headers;            ///< the file's first bytes: all that is not memory
    std::uint64_t total_bytes = 0;  ///< of the file, with the memory
};

/// Gives each segment its place in the file, page-aligned and in order, and makes the headers.
/// Throws std::length_error if a 32-bit core would need offsets beyond 4 GiB.
CoreLayout layout_core(CoreKind kind, const CoreProcess& process,
                       std::vector<CoreSegment>& segments);

}  // namespace onecopy::cli
