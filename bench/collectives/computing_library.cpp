// No collectives at all: what is left of a work that computes meanwhile is its computing.
#include <memory>
#include <string>

#include "library.hpp"

namespace onecopy::together {
namespace {

class ComputingAlone final : public OrdinaryLibrary {
public:
    explicit ComputingAlone(const Setup& setup) : OrdinaryLibrary(setup), rank_(setup.rank) {}

    [[nodiscard]] int rank() const override { return rank_; }
    void carry_out(Call, std::size_t) override {}
    void start(Call, std::size_t) override {}
    void test() override {}
    void wait() override {}
    [[nodiscard]] bool does_nothing() const override { return true; }

private:
    int rank_;
};

}  // namespace
}  // namespace onecopy::together

namespace onecopy::bench {

std::string library() { return "nothing"; }

std::unique_ptr<Member> join(const Setup& setup) {
    return std::make_unique<together::ComputingAlone>(setup);
}

}  // namespace onecopy::bench
