#include "tests/gpu/test_model.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "model/checkpoint.h"
#ifdef GLINT_CUDA
#include "backend/cuda/cuda_backend.h"
#endif

namespace glint {
namespace {

Result<std::unique_ptr<Backend>> make_backend(const TestModelFlags& flags) {
  if (flags.device == "cpu") return make_cpu_backend(flags.num_threads);
#ifdef GLINT_CUDA
  return make_cuda_backend();
#else
  return Error{ErrorCode::kStartup,
               "--device cuda: this build has no CUDA backend; build with cmake --preset cuda."};
#endif
}

NumberType compute_type(const TestModelFlags& flags, const ModelConfig& config) {
  const std::string& dtype = flags.dtype == "auto" ? config.dtype : flags.dtype;
  return dtype == "float32" ? NumberType::kF32 : NumberType::kBf16;
}

Result<Model> load_weights(Backend& backend, const TestModelFlags& flags, const ModelConfig& config,
                           const ModelOptions& options) {
  if (flags.load_format == "dummy") return Model::load_dummy(backend, config, options);
  const Checkpoint checkpoint = TRY(Checkpoint::open(flags.folder));
  TRY(check_tensors(checkpoint, config, /*with_mtp=*/false));
  return Model::load(backend, config, checkpoint, options);
}

}  // namespace

void TestModelFlags::add_to(CLI::App& app) {
  app.add_option("FOLDER", folder, "of config.json and the weights")->required();
  app.add_option("--device", device)->capture_default_str()->check(CLI::IsMember({"cpu", "cuda"}));
  app.add_option("--load-format", load_format, "dummy: random weights; config.json is enough")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "dummy"}));
  app.add_option("--dtype", dtype, "of weights, activations and KV rows; auto: the config's")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "bfloat16", "float32"}));
  app.add_option("--threads", num_threads, "of the CPU backend; 0: all cores")
      ->capture_default_str();
}

Result<TestModel> TestModel::load(const TestModelFlags& flags, const ModelConfig& config,
                                  ModelOptions options, bool records) {
  options.compute = compute_type(flags, config);
  TestModel loaded;
  loaded.backend_ = TRY(make_backend(flags));
  loaded.model_ =
      std::make_unique<Model>(TRY(load_weights(*loaded.backend_, flags, config, options)));
  if (records) {
    loaded.model_->prepare(/*slots=*/nullptr);
    loaded.backend_->seal();  // as `glint serve` does: no step may need more than the largest
  }
  return loaded;
}

// A model with a probe runs op by op.
void TestModel::set_eager(bool eager) {
  model_->set_layer_probe(eager ? LayerProbe([](int, Matrix, Matrix) {}) : LayerProbe());
}

HostLogits TestModel::forward(const Batch& batch) {
  const MatrixView<const float> logits = model_->forward(batch);
  HostLogits host{logits.rows, logits.cols, {}};
  host.values.resize(static_cast<size_t>(logits.rows) * static_cast<size_t>(logits.cols));
  CHECK(logits.stride == logits.cols, "logits with gaps between their rows");
  backend_->download(host.values.data(), logits.data, host.values.size() * sizeof(float));
  return host;
}

void append(Batch& batch, const SequenceRows& rows, int page_size) {
  BatchSequence sequence{.slot = static_cast<int>(batch.sequences.size()),
                         .cached_len = rows.cached_len,
                         .extend_len = rows.count,
                         .token_begin = static_cast<int>(batch.token_ids.size()),
                         .page_begin = static_cast<int>(batch.pages.size()),
                         .num_pages = pages_for(rows.cached_len + rows.count, page_size),
                         .form = rows.form,
                         .num_logit_rows = rows.num_logit_rows};
  batch.token_ids.insert(batch.token_ids.end(), rows.ids, rows.ids + rows.count);
  for (int i = 0; i < sequence.num_pages; ++i) batch.pages.push_back(rows.first_page + i);
  batch.sequences.push_back(sequence);
}

}  // namespace glint
