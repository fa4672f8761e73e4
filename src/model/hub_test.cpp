#include "model/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/safetensors_writer.h"
#include "tests/support/test_folder.h"

namespace glint {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kId = "zai-org/GLM-4.7-Flash";
constexpr const char* kRepository = "models--zai-org--GLM-4.7-Flash";
constexpr const char* kRevision = "7dd20894a642a0aa287e9827cb1a1f7f91386b67";

Environment environment(const std::map<std::string, std::string>& variables) {
  return [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

// What `hf download` leaves in `cache`, cut to what is looked at. `revision`: the text of
// refs/main.
fs::path write_repository(const fs::path& cache, const std::string& revision) {
  const fs::path snapshot = cache / kRepository / "snapshots" / kRevision;
  fs::create_directories(snapshot);
  fs::create_directories(cache / kRepository / "refs");
  EXPECT_TRUE(write_file(cache / kRepository / "refs" / "main", revision));
  EXPECT_TRUE(write_file(snapshot / "config.json", "{}"));
  return snapshot;
}

std::string error_of(std::string_view model, const fs::path& cache) {
  const auto found = resolve_model(model, environment({{"HF_HUB_CACHE", cache.string()}}));
  return found ? "" : found.error().message;
}

TEST(Hub, TheCacheIsWhereTheVariablesSay) {
  std::map<std::string, std::string> variables = {{"HOME", "/home/a"}};
  const auto cache = [&] { return hub_cache_folder(environment(variables)).string(); };
  EXPECT_EQ(cache(), "/home/a/.cache/huggingface/hub");
  variables["XDG_CACHE_HOME"] = "/xdg";
  EXPECT_EQ(cache(), "/xdg/huggingface/hub");
  variables["HF_HOME"] = "/hf";
  EXPECT_EQ(cache(), "/hf/hub");
  variables["HF_HUB_CACHE"] = "/cache";
  EXPECT_EQ(cache(), "/cache");
}

TEST(Hub, AnIdIsTheSnapshotOfItsMainRevision) {
  const TestFolder folder;
  const fs::path snapshot = write_repository(folder.path() / "hub", cat(kRevision, "\n"));
  const auto found = resolve_model(kId, environment({{"HF_HOME", folder.path().string()}}));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, snapshot);
}

TEST(Hub, AFolderIsItself) {
  const TestFolder folder;
  const auto found = resolve_model(folder.path().string(), environment({}));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, folder.path());
}

TEST(Hub, AMissingIdNamesTheCommandThatFetchesIt) {
  const TestFolder folder;
  EXPECT_EQ(error_of(kId, folder.path()),
            cat("There is no folder ", kId, ", and ", (folder.path() / kRepository).string(),
                " has no refs/main. Fetch the model with\n  hf download ", kId,
                "\nor name a folder that has it."));
  // A download that was broken off.
  const fs::path snapshot = write_repository(folder.path(), kRevision);
  fs::remove(snapshot / "config.json");
  EXPECT_THAT(error_of(kId, folder.path()),
              HasSubstr(snapshot.string() + " has no config.json. Fetch the model with"));
}

// A revision is a name inside snapshots/, whatever refs/main holds.
TEST(Hub, ARevisionCannotLeaveTheCache) {
  for (const char* revision : {"../../elsewhere", "/etc", "..", "", "a/b", "\xff"}) {
    const TestFolder folder;
    write_repository(folder.path(), revision);
    EXPECT_THAT(error_of(kId, folder.path()), HasSubstr("has no refs/main")) << revision;
  }
}

TEST(Hub, ARevisionIsANameThatWasFetchedOrAHash) {
  const TestFolder folder;
  const fs::path snapshot = write_repository(folder.path(), kRevision);
  const fs::path refs = folder.path() / kRepository / "refs";
  fs::create_directories(refs / "refs" / "pr");
  ASSERT_TRUE(write_file(refs / "refs" / "pr" / "1", kRevision));
  fs::remove(refs / "main");
  for (const char* revision : {"refs/pr/1", kRevision}) {
    const auto found = resolve_model(kId, environment({{"HF_HUB_CACHE", "/nowhere"}}),
                                     {.revision = revision, .cache = folder.path()});
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, snapshot);
  }
  for (const char* revision : {"v2", "../../elsewhere", "a//b", "/"}) {
    const auto found =
        resolve_model(kId, environment({}), {.revision = revision, .cache = folder.path()});
    ASSERT_FALSE(found) << revision;
    EXPECT_THAT(found.error().message, HasSubstr(cat("has no refs/", revision)));
    EXPECT_THAT(found.error().message, HasSubstr(cat("hf download ", kId, " --revision ", revision,
                                                     " --cache-dir ", folder.path().string())));
  }
}

TEST(Hub, WhatIsNeitherFolderNorIdSaysWhatIsExpected) {
  for (const char* model : {"/no/such/folder", "./none", "../none", "none", "a/b/c", "a/..", "a/.b",
                            "", "-x/y", "a b/c"}) {
    const std::string error = error_of(model, "/nowhere");
    EXPECT_THAT(error, StartsWith(cat(model, ": no such folder. MODEL is a folder with")));
    EXPECT_THAT(error, HasSubstr("or an id such as zai-org/GLM-4.7-Flash."));
  }
}

TEST(Hub, AnEmptyVariableIsNotSet) {
  ASSERT_EQ(setenv("GLINT_HUB_TEST", "", 1), 0);
  EXPECT_EQ(process_environment("GLINT_HUB_TEST"), std::nullopt);
  ASSERT_EQ(setenv("GLINT_HUB_TEST", "x", 1), 0);
  EXPECT_EQ(process_environment("GLINT_HUB_TEST"), "x");
}

}  // namespace
}  // namespace glint
