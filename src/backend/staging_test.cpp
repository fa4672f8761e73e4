// What is staged must arrive as it was, however late the backend reads it.

#include "backend/staging.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/late_backend.h"

namespace glint {
namespace {

constexpr size_t kBytes = 64;

std::vector<char> downloaded(Backend& backend, const Buffer& buffer) {
  std::vector<char> bytes(buffer.size());
  backend.download(bytes.data(), buffer.data(), bytes.size());
  return bytes;
}

TEST(StagingTest, MemoryOfTheLastButOneStepIsUsedAgainOnceCopied) {
  LateBackend backend;
  constexpr int kSteps = 7;
  const Buffer buffer(backend, kSteps * kBytes);
  Staging staging(backend, kBytes);
  std::vector<char> expected;
  for (int step = 0; step < kSteps; ++step) {
    const std::vector<char> data(kBytes, static_cast<char>('a' + step));
    expected.insert(expected.end(), data.begin(), data.end());
    staging.begin_step();
    staging.upload(static_cast<char*>(buffer.data()) + step * kBytes, data.data(), kBytes);
  }
  EXPECT_EQ(downloaded(backend, buffer), expected);
}

TEST(StagingTest, AStepThatTakesMoreWaitsForItsOwnCopies) {
  LateBackend backend;
  const Buffer buffer(backend, 10 * kBytes);
  Staging staging(backend, 3 * kBytes);
  std::vector<char> expected;
  staging.begin_step();
  for (int i = 0; i < 10; ++i) {
    const std::vector<char> data(kBytes, static_cast<char>('a' + i));
    expected.insert(expected.end(), data.begin(), data.end());
    staging.upload(static_cast<char*>(buffer.data()) + i * kBytes, data.data(), kBytes);
  }
  EXPECT_EQ(downloaded(backend, buffer), expected);
}

// The memory it owns is still read by copies that have not been done.
TEST(StagingTest, ItsEndWaitsForTheCopies) {
  LateBackend backend;
  const Buffer buffer(backend, kBytes);
  const std::vector<char> data(kBytes, 'x');
  {
    Staging staging(backend, kBytes);
    staging.begin_step();
    staging.upload(buffer.data(), data.data(), kBytes);
  }
  EXPECT_EQ(downloaded(backend, buffer), data);
}

TEST(StagingDeathTest, OnePieceMustFit) {
  LateBackend backend;
  Staging staging(backend, kBytes);
  EXPECT_DEATH(staging.reserve(kBytes + 1), "65 bytes at once, there is room for 64");
}

}  // namespace
}  // namespace glint
