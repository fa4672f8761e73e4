#pragma once

// render_chat() is native code, not a Jinja interpreter: it stands for exactly the templates that
// it was compared with, known here by the hash of their file.

#include <string_view>

namespace glint {

// The official chat_template.jinja of zai-org/GLM-4.7-Flash, revision
// 7dd20894a642a0aa287e9827cb1a1f7f91386b67; 3,120 bytes.
inline constexpr std::string_view kOfficialTemplateSha256 =
    "d63ad536c3c81880043e22ec7fd08db42b4d8fb7c89c7138bc562bfa25281375";

bool is_known_template(std::string_view sha256);

}  // namespace glint
