#pragma once

// A recorded folder (tools/record_golden.py) beside our model of it, fed one sequence.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "model/mapped_file.h"
#include "model/model.h"

namespace glint {

// What transformers computed, FP32.
class Golden {
 public:
  explicit Golden(const std::string& shape);

  const std::filesystem::path& folder() const { return folder_; }
  // [rows, cols]; a vector is one row.
  MatrixView<const float> matrix(const std::string& name) const;
  // A row of ids, which are kept as FP32.
  std::vector<TokenId> ids(const std::string& name, int row = 0) const;

 private:
  std::filesystem::path folder_;
  MappedFile file_;
  std::map<std::string, Tensor> tensors_;
};

// [rows, cols] copied out of a backend, FP32 whatever it was.
struct HostMatrix {
  int cols = 0;
  std::vector<float> values;

  int rows() const { return cols == 0 ? 0 : static_cast<int>(values.size()) / cols; }
  const float* row(int r) const { return values.data() + int64_t{r} * cols; }
  void append(const HostMatrix& below);
};

class GoldenModel {
 public:
  GoldenModel(const std::filesystem::path& folder, NumberType compute, MlaForm prompt_form);

  Model& model() { return *model_; }
  // Logits of all of `ids`, the sequence's tokens from position `cached_len` on.
  HostMatrix forward(const std::vector<TokenId>& ids, int cached_len, RowForm form);
  // As forward() for the rows of the step before, each with the id that follows it.
  HostMatrix forward_mtp(const std::vector<TokenId>& next_ids, int cached_len, RowForm form);
  HostMatrix copy(const Matrix& matrix) const;
  // x after every layer, from the steps since the last call.
  std::vector<HostMatrix> take_layers() { return std::move(layers_); }

 private:
  Batch batch(const std::vector<TokenId>& ids, int cached_len, RowForm form) const;
  HostMatrix copy(MatrixView<const float> logits) const;
  void keep_layer(int layer, const Matrix& residual, const Matrix& delta);

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
  std::vector<HostMatrix> layers_;
};

}  // namespace glint
