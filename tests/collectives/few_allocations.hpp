// Memory that runs out when a test says so: operator new of this executable.
#pragma once

namespace onecopy::test {

/// From now on this thread gets so many blocks of memory, and none after that. Until the end.
class FewAllocations {
public:
    explicit FewAllocations(int blocks) noexcept;
    ~FewAllocations() { end(); }
    FewAllocations(const FewAllocations&) = delete;
    FewAllocations& operator=(const FewAllocations&) = delete;

    void end() noexcept;
    /// Whether one was asked for and refused.
    [[nodiscard]] bool were_too_few() const noexcept { return too_few_; }

private:
    bool too_few_ = false;
};

}  // namespace onecopy::test
