// What the doctor says: as text for people, as JSON for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/doctor_diagnose.hpp"

namespace onecopy::cli {

/// `width` is where lines are wrapped.
std::string doctor_text(const Facts& facts, const Diagnosis& diagnosis, std::size_t width);

/// The fields are described in docs/doctor.md; they stay once published, others may be added.
nlohmann::ordered_json doctor_json(const Facts& facts, const Diagnosis& diagnosis);

}  // namespace onecopy::cli
