#include "c_api/error_numbers.hpp"

#include <array>
#include <cstdio>
#include <string>

#include "onecopy/error.hpp"
#include "onecopy/onecopy_node.h"

namespace onecopy::c_api {
namespace {

/// Our own numbers begin below this one; the kernel's end above it.
constexpr int ours_from = -10000, kernels_to = -4095;

#define ONECOPY_SAME_ERROR(c, cpp) \
    static_assert(ONECOPY_ERR_##c == ours_from - static_cast<int>(Errc::cpp))
ONECOPY_SAME_ERROR(TRUNCATED, truncated);
ONECOPY_SAME_ERROR(PEER_DIED, peer_died);
ONECOPY_SAME_ERROR(PEER_LEFT, peer_left);
ONECOPY_SAME_ERROR(BAD_RANK, bad_rank);
ONECOPY_SAME_ERROR(BAD_TAG, bad_tag);
ONECOPY_SAME_ERROR(CANCELLED, cancelled);
ONECOPY_SAME_ERROR(NO_JOB, no_job);
ONECOPY_SAME_ERROR(MISMATCH, mismatch);
ONECOPY_SAME_ERROR(BAD_RANGE, bad_range);
#undef ONECOPY_SAME_ERROR

std::string text_of(int error) {
    if (error >= 0) return "no error";
    if (error >= kernels_to) return std::system_category().message(-error);
    if (error < ours_from) return onecopy_category().message(ours_from - error);
    return "unknown error " + std::to_string(error);
}

}  // namespace

int number_of(const std::error_code& error) noexcept {
    return error.category() == onecopy_category() ? ours_from - error.value() : -error.value();
}

}  // namespace onecopy::c_api

extern "C" const char* onecopy_error_text(int error) {
    static thread_local std::array<char, 128> text;
    onecopy::c_api::guarded([&] {
        text[0] = '\0';
        return std::snprintf(text.data(), text.size(), "%s",
                             onecopy::c_api::text_of(error).c_str());
    });
    return text.data();
}
