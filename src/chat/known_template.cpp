#include "chat/known_template.h"

namespace glint {

bool is_known_template(std::string_view sha256) { return sha256 == kOfficialTemplateSha256; }

}  // namespace glint
