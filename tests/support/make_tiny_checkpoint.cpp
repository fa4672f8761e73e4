// make_tiny_checkpoint DIR: a checkpoint with random weights, to try glint or to record goldens
// from.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "tests/support/tiny_checkpoint.h"

namespace {

using namespace glint;

std::string shapes_help() {
  std::string text = "one of";
  for (const TinyShape& shape : tiny_shapes()) text += cat("\n  ", shape.name, ": ", shape.summary);
  return text;
}

std::map<std::string, ModelConfig> shapes_by_name() {
  std::map<std::string, ModelConfig> shapes;
  for (const TinyShape& shape : tiny_shapes()) shapes[std::string(shape.name)] = shape.config;
  return shapes;
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder, shape = "tiny", dtype = "bf16";
  bool stacked = false;
  TinyCheckpointOptions options;
  const std::map<std::string, ModelConfig> shapes = shapes_by_name();
  const std::map<std::string, TensorType> types = {
      {"bf16", TensorType::kBf16}, {"f16", TensorType::kF16}, {"f32", TensorType::kF32}};

  CLI::App app("Writes a GLM-4.7-Flash checkpoint with random weights and a tiny tokenizer.");
  app.add_option("DIR", folder, "folder to write into")->required();
  app.add_option("--shape", shape, shapes_help())->check(CLI::IsMember(shapes));
  app.add_option("--dtype", dtype, "of the weights")->check(CLI::IsMember(types));
  app.add_option("--shards", options.num_shards, "files; 1: no index")->check(CLI::Range(1, 99999));
  app.add_option("--seed", options.seed, "of the weights");
  app.add_flag("--stacked-experts", stacked, "one tensor for all experts of a layer");
  app.add_flag("--mtp", options.with_mtp, "with the MTP layer");
  CLI11_PARSE(app, argc, argv);

  options.config = shapes.at(shape);
  options.dtype = types.at(dtype);
  if (stacked) options.expert_layout = ExpertLayout::kStacked;
  const Result<void> written = write_tiny_checkpoint(folder, options);
  if (!written) std::fprintf(stderr, "make_tiny_checkpoint: %s\n", written.error().message.c_str());
  return written ? 0 : 1;
}
