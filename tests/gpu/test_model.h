#pragma once

// A model on a backend, fed batches by hand: for programs that look at logits.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "model/model.h"

namespace CLI {
class App;
}

namespace glint {

// What such a program's command line says of the model.
struct TestModelFlags {
  std::string folder;          // Hugging Face's; config.json alone is enough for dummy weights
  std::string device = "cpu";  // cpu or cuda
  std::string load_format = "auto";  // auto, or dummy: random weights
  std::string dtype = "auto";        // auto (the config's), bfloat16 or float32
  int num_threads = 0;               // of the CPU backend; 0: all cores

  void add_to(CLI::App& app);
};

// [rows, cols] copied out of a backend.
struct HostLogits {
  int rows = 0, cols = 0;
  std::vector<float> values;

  const float* row(int r) const { return values.data() + int64_t{r} * cols; }
};

class TestModel {
 public:
  // `compute` of the options is the flags'. With `records`, steps that decode run as the backend's
  // recordings where it has them, as they do in the server.
  static Result<TestModel> load(const TestModelFlags& flags, const ModelConfig& config,
                                ModelOptions options, bool records);

  const ModelConfig& config() const { return model_->config(); }
  const ModelOptions& options() const { return model_->options(); }
  std::string device() const { return backend_->description(); }
  // Op by op from now on, whatever was recorded; or not any more.
  void set_eager(bool eager);

  // The batch's logit rows, in order.
  HostLogits forward(const Batch& batch);

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;  // after the backend: it goes first
};

// The next sequence of `batch`: `ids` at positions cached_len ... in pages first_page ... of
// `page_size`, the last `num_logit_rows` of them with logits.
struct SequenceRows {
  const TokenId* ids = nullptr;
  int count = 0;
  int cached_len = 0;
  PageId first_page = 0;
  RowForm form = RowForm::kDecode;
  int num_logit_rows = 0;
};
void append(Batch& batch, const SequenceRows& rows, int page_size);

inline int pages_for(int rows, int page_size) { return (rows + page_size - 1) / page_size; }

}  // namespace glint
