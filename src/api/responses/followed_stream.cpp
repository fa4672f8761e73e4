#include "api/responses/followed_stream.h"

#include <charconv>
#include <limits>
#include <utility>

#include "api/request_fields.h"

namespace glint {
namespace {

// The way of events to one follower. Used on its strand.
class FollowedStream {
 public:
  FollowedStream(std::shared_ptr<Exchange> exchange, size_t num_skipped)
      : exchange_(std::move(exchange)), num_skipped_(num_skipped) {}

  // Whole events. After the last, others are dropped: who cancels a response does not wait for the
  // one that writes it.
  void write(std::string_view events, bool last) {
    if (ended_) return;
    for (; num_skipped_ > 0 && !events.empty(); --num_skipped_)
      events.remove_prefix(events.find(kEventEnd) + kEventEnd.size());
    exchange_->write(std::string(events));
    ended_ = last;
    if (last) exchange_->end_stream();
  }

  Exchange& exchange() { return *exchange_; }

 private:
  static constexpr std::string_view kEventEnd = "\n\n";

  const std::shared_ptr<Exchange> exchange_;
  size_t num_skipped_;
  bool ended_ = false;
};

// Events are numbered from 0.
Result<size_t> parse_num_skipped(const HttpRequest& request) {
  const std::string_view text = request.query_value("starting_after");
  if (text.empty()) return size_t{0};
  int number = -1;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status == std::errc() && end == text.data() + text.size() && number >= 0)
    return static_cast<size_t>(number) + 1;
  return Error{ErrorCode::kInvalidRequest,
               cat("starting_after is ", shown(Json(text)), "; expected the number of an event."),
               "starting_after"};
}

}  // namespace

Result<void> follow_response(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                             const std::string& id) {
  const auto stream =
      std::make_shared<FollowedStream>(exchange, TRY(parse_num_skipped(exchange->request())));
  const auto followed =
      context.responses.follow(id, [stream](const std::string& events, bool last) {
        stream->exchange().post([stream, events, last] { stream->write(events, last); });
      });
  if (!followed) {
    return Error{ErrorCode::kInvalidRequest,
                 "Only a response that was created with background and stream can be streamed "
                 "again: leave stream out.",
                 "stream"};
  }
  exchange->begin_stream(200, "text/event-stream");
  exchange->on_disconnect(
      [&context, id, follower = followed->follower] { context.responses.unfollow(id, follower); });
  stream->write(followed->events, followed->ended);
  return {};
}

}  // namespace glint
