#include "onecopy/error.hpp"

#include <string>

namespace onecopy {
namespace {

class Category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "onecopy"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<Errc>(value)) {
            case Errc::truncated:
                return "the message is longer than the memory it was received into";
            case Errc::peer_died:
                return "a rank of the communicator has ended";
            case Errc::peer_left:
                return "the rank has left the job";
            case Errc::bad_rank:
                return "no such rank in the communicator";
            case Errc::bad_tag:
                return "a tag is not negative";
            case Errc::cancelled:
                return "the receive was cancelled";
            case Errc::no_job:
                return "this process is no rank of a job; start it with `onecopy run`";
            case Errc::mismatch:
                return "the ranks of a collective do not agree on what it is";
            case Errc::bad_range:
                return "the bytes do not all lie in the target's part of the window";
        }
        return "unknown error " + std::to_string(value);
    }
};

}  // namespace

const std::error_category& onecopy_category() noexcept {
    static const Category category;
    return category;
}

}  // namespace onecopy
