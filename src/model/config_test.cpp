#include "model/config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/tiny_checkpoint.h"

namespace glint {
namespace {

TEST(Config, ReadsWhatTheReleasedFileSays) {
  const ModelConfig written = glm_4_7_flash_config();
  const Result<ModelConfig> read = parse_config(config_json(written), "config.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(config_json(*read), config_json(written));
  EXPECT_EQ(read->qk_head_dim(), 256);
  EXPECT_EQ(read->kv_row(), 576);
}

}  // namespace
}  // namespace glint
