#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace glint {
namespace {

TEST(FileTest, AFolderIsNoFile) {
  const std::filesystem::path folder = testing::TempDir();
  const auto path = folder / ("glint_file_test_" + std::to_string(::getpid()));
  std::ofstream(path) << "two\r\nlines";
  EXPECT_EQ(read_file(path), "two\r\nlines");
  EXPECT_TRUE(open_file(path));
  std::filesystem::remove(path);
  for (const auto& none : {path, folder}) {
    EXPECT_FALSE(read_file(none)) << none;
    EXPECT_FALSE(open_file(none)) << none;
  }
}

}  // namespace
}  // namespace glint
