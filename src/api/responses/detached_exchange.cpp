#include "api/responses/detached_exchange.h"

namespace glint {

void DetachedExchange::begin_stream(int status, std::string content_type,
                                    std::vector<std::pair<std::string, std::string>> headers) {
  streaming_ = true;
  client_->begin_stream(status, std::move(content_type), std::move(headers));
  client_->on_disconnect([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->client_gone();
  });
}

void DetachedExchange::end_stream() {
  if (std::exchange(streaming_, false)) client_->end_stream();
}

void DetachedExchange::on_writable(std::function<void()> callback) {
  writable_ = callback;
  client_->on_writable(std::move(callback));
}

void DetachedExchange::after(double seconds, std::function<void()> work) {
  if (streaming_) client_->after(seconds, std::move(work));
}

void DetachedExchange::stop() {
  writable_ = nullptr;
  end_stream();
  if (const auto callback = std::exchange(stopped_, nullptr)) callback();
}

// Nobody reads any more: what waited for that goes on.
void DetachedExchange::client_gone() {
  streaming_ = false;
  if (const auto callback = std::exchange(writable_, nullptr)) callback();
}

}  // namespace glint
