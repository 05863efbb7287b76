// A call that is wrong at this rank alone: the others are told instead of left waiting.
#pragma once

#include <system_error>

#include "collectives/group.hpp"
#include "node/work.hpp"

namespace onecopy::collectives {

/// Takes the place of the call: whoever looks at this rank in it finds a mismatch. If all ranks
/// make the same mistake nobody does, and the communicator is as good as before.
class Refusal final : public node::Work {
public:
    Refusal(Group& group, std::error_code why) noexcept
        : group_(group), why_(why), number_(group.begin()) {}

    bool advance() noexcept override {
        const Look look = group_.slot_is_free(number_);
        if (look == Look::not_yet) return false;
        if (look == Look::ready) group_.post(number_, refused);
        group_.finish(number_);
        end(look == Look::ready ? why_ : group_.failure());
        return true;
    }

private:
    static constexpr std::uint64_t refused = 0;  // no call's signature, but by chance

    Group& group_;
    std::error_code why_;
    std::uint64_t number_;
};

}  // namespace onecopy::collectives
