#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glint {

// How a reader finds the end of the body.
enum class Framing {
  kLength,      // Content-Length
  kChunked,     // HTTP/1.1 streams
  kUntilClose,  // HTTP/1.0 streams
  kNoBody,      // 1xx, 204, 304
};

struct ResponseHead {
  int status = 200;
  std::string_view content_type{};
  size_t content_length = 0;  // of kLength
  Framing framing = Framing::kLength;
  bool keep_alive = true;
  bool http_1_0 = false;  // what the client speaks
};

// The status line and header with its empty line. The framing is ours: Content-Length,
// Transfer-Encoding, Connection and Date among `headers` are left out. So is a field whose name is
// no token; control characters in a value become blanks. So nothing that came from a request can
// begin a line of its own.
void append_response_head(std::string& out, const ResponseHead& head,
                          const std::vector<std::pair<std::string, std::string>>& headers);

// One chunk of a chunked body (RFC 9112, section 7.1). `bytes` must not be empty: that is the end.
void append_chunk(std::string& out, std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

std::string_view reason_phrase(int status);

}  // namespace glint
