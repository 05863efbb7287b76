#include "os/cpu_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "os/fd.hpp"

namespace onecopy::os {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

}  // namespace

std::string line_of(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return {};
    std::string text(4096, '\0');
    const ssize_t got = ::read(file.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    text.erase(std::min(text.find('\n'), text.size()));
    return text;
}

std::string cpus_of_node(const std::string& root, const std::string& core) {
    const std::unique_ptr<DIR, CloseDirectory> entries(::opendir(core.c_str()));
    if (!entries) return {};
    constexpr std::string_view node = "node";
    while (const dirent* const entry = ::readdir(entries.get())) {
        const std::string_view name = entry->d_name;
        if (name.size() > node.size() && name.starts_with(node) && name[node.size()] >= '0' &&
            name[node.size()] <= '9') {
            return line_of(root + "/node/" + std::string(name) + "/cpulist");
        }
    }
    return {};
}

}  // namespace onecopy::os
