// What goes on in steps whenever its rank makes progress, beside messages: collectives.
#pragma once

#include <system_error>

#include "node/list.hpp"

namespace onecopy::node {

struct Working;  // the list of those that are not over

/// Belongs to whoever began it, and stays where it is until it is over. Under the endpoint's lock.
class Work : public Hook<Working> {
public:
    Work() noexcept = default;
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    virtual ~Work() = default;

    /// Goes on as far as it can without waiting; true if anything happened.
    virtual bool advance() noexcept = 0;

    [[nodiscard]] bool is_over() const noexcept { return over_; }
    /// Of one that is over.
    [[nodiscard]] const std::error_code& error() const noexcept { return error_; }

protected:
    void end(std::error_code error = {}) noexcept {
        error_ = error;
        over_ = true;
    }

private:
    bool over_ = false;
    std::error_code error_;
};

}  // namespace onecopy::node
