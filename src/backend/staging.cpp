#include "backend/staging.h"

#include <cstring>

#include "base/check.h"

namespace glint {
namespace {

constexpr size_t kAlignment = 64;

size_t rounded_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

Staging::Staging(Backend& backend, size_t bytes)
    : backend_(backend),
      bytes_(rounded_up(bytes)),
      halves_{make_host_buffer(backend, bytes_), make_host_buffer(backend, bytes_)},
      copied_{backend.make_event(), backend.make_event()} {}

Staging::~Staging() {
  copied_[half_]->record();
  copied_[half_]->wait();
}

void Staging::begin_step() {
  copied_[half_]->record();
  half_ = 1 - half_;
  copied_[half_]->wait();
  used_ = 0;
}

void* Staging::reserve(size_t bytes) {
  CHECK(bytes <= bytes_, bytes, " bytes at once, there is room for ", bytes_);
  if (used_ + bytes > bytes_) {
    copied_[half_]->record();
    copied_[half_]->wait();
    used_ = 0;
  }
  void* data = static_cast<char*>(halves_[half_].get()) + used_;
  used_ += rounded_up(bytes);
  return data;
}

void Staging::upload(void* to, const void* from_host, size_t bytes) {
  if (bytes == 0) return;
  void* staged = reserve(bytes);
  std::memcpy(staged, from_host, bytes);
  backend_.upload_async(to, staged, bytes);
}

}  // namespace glint
