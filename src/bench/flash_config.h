#pragma once

#include "model/config.h"

namespace glint {

// The sizes of GLM-4.7-Flash, so that its ops can be timed where none of its files are.
ModelConfig flash_config();

}  // namespace glint
