// A file that is whole or absent: written under a provisional name, holes where there are zeros,
// and renamed when all of it is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "os/fd.hpp"

namespace onecopy::cli {

/// Not thread-safe. Its own temporary name is `path` + ".partial"; unless keep() was called, the
/// destructor removes it and an older file at `path` is left as it was.
class SparseFile {
public:
    /// Creates the file, readable by its owner only. `asked` begins the line of a failure.
    /// Throws WrongInput if there can be no such file, Failure if there is no room for it.
    SparseFile(std::string asked, std::string path, std::uint64_t bytes);
    ~SparseFile();
    SparseFile(const SparseFile&) = delete;
    SparseFile& operator=(const SparseFile&) = delete;

    /// Writes all bytes at `offset`, without leaving holes.
    void write(std::span<const std::byte> bytes, std::uint64_t offset);

    /// As write(), but pages of zeros become holes. Returns the bytes that were not zeros' pages.
    std::uint64_t write_sparse(std::span<const std::byte> bytes, std::uint64_t offset);

    /// Gives the file its name, with everything on it flushed to the kernel (not to the disk).
    void keep();

private:
    [[noreturn]] void fail(const char* what, int error) const;

    std::string asked_;
    std::string path_;
    std::string partial_;
    os::Fd file_;
};

}  // namespace onecopy::cli
