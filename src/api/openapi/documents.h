#pragma once

// What cmake/embed_pages.cmake makes of the JSON files in this folder: one for what all dialects
// share (base.json), one for each dialect.

#include <cstddef>

#include "web/pages.h"

namespace glint {

extern const Page kOpenApiDocuments[];
extern const size_t kNumOpenApiDocuments;

}  // namespace glint
