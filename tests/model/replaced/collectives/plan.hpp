// In place of src/collectives/plan.hpp: the models go their own steps.
#pragma once

namespace onecopy::collectives {

class Plans {};

}  // namespace onecopy::collectives
