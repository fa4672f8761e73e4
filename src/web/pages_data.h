#pragma once

// What cmake/embed_pages.cmake makes of the files in web/pages/. Internal to web/.

#include <cstddef>

#include "web/pages.h"

namespace glint {

extern const Page kPages[];
extern const size_t kNumPages;

}  // namespace glint
