// How a command gives up: with one line for the user and an exit status.
//
// The line reads "what was asked: what refused it; what to do", without the leading "onecopy: ".
#pragma once

#include <stdexcept>
#include <string>

namespace onecopy::cli {

/// What was asked makes no sense, or an argument cannot be used: exit status 2.
class WrongInput : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What was asked makes sense but could not be done (refused, gone, disk full): exit status 1.
class Failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace onecopy::cli
