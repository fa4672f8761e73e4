#include "tests/golden/golden_model.h"

#include <cstring>

namespace glint {
namespace {

constexpr int kPageSize = 16;
constexpr int kNumPages = 25;  // 400 rows: the longest recorded sequence has 384

template <typename T>
T checked(Result<T> result) {
  CHECK(result.has_value(), result.error().message);
  return *std::move(result);
}

}  // namespace

Golden::Golden(const std::string& shape)
    : folder_(std::filesystem::path(GLINT_SOURCE_DIR) / "tests/golden" / shape),
      file_(checked(MappedFile::open(folder_ / "golden.safetensors"))) {
  for (Tensor& tensor : checked(parse_safetensors(file_.bytes(), "golden.safetensors")))
    tensors_.emplace(tensor.name, tensor);
}

MatrixView<const float> Golden::matrix(const std::string& name) const {
  const auto found = tensors_.find(name);
  CHECK(found != tensors_.end() && found->second.type == TensorType::kF32, "no golden ", name);
  const Tensor& tensor = found->second;
  const int cols = static_cast<int>(tensor.shape.back());
  // The writer of these files aligns bodies.
  return {reinterpret_cast<const float*>(tensor.data.data()),
          static_cast<int>(tensor.num_elements()) / cols, cols, cols};
}

std::vector<TokenId> Golden::ids(const std::string& name, int row) const {
  const auto all = matrix(name);
  std::vector<TokenId> ids;
  for (int i = 0; i < all.cols; ++i)
    ids.push_back(static_cast<TokenId>(all.data[row * all.stride + i]));
  return ids;
}

void HostMatrix::append(const HostMatrix& below) {
  cols = below.cols;
  values.insert(values.end(), below.values.begin(), below.values.end());
}

GoldenModel::GoldenModel(const std::filesystem::path& folder, NumberType compute,
                         MlaForm prompt_form)
    : backend_(make_cpu_backend()) {
  const ModelConfig config = checked(load_config(folder / "config.json"));
  const Checkpoint checkpoint = checked(Checkpoint::open(folder));
  const Result<void> tensors = check_tensors(checkpoint, config, /*with_mtp=*/true);
  CHECK(tensors.has_value(), tensors.error().message);
  const ModelOptions options{.compute = compute,
                             .page_size = kPageSize,
                             .num_pages = kNumPages,
                             .max_batch_tokens = kNumPages * kPageSize,
                             .with_mtp = true,
                             .prompt_form = prompt_form};
  model_ =
      std::make_unique<Model>(checked(Model::load(*backend_, config, checkpoint, options, {})));
  model_->set_layer_probe([this](int layer, const Matrix& residual, const Matrix& delta) {
    keep_layer(layer, residual, delta);
  });
}

Batch GoldenModel::batch(const std::vector<TokenId>& ids, int cached_len, RowForm form) const {
  const int length = static_cast<int>(ids.size());
  Batch batch;
  batch.token_ids = ids;
  for (PageId page = kNumPages - 1; page >= 0; --page) batch.pages.push_back(page);
  batch.sequences.push_back({.cached_len = cached_len,
                             .extend_len = length,
                             .num_pages = kNumPages,
                             .form = form,
                             .num_logit_rows = length});
  return batch;
}

HostMatrix GoldenModel::forward(const std::vector<TokenId>& ids, int cached_len, RowForm form) {
  return copy(model_->forward(batch(ids, cached_len, form)));
}

HostMatrix GoldenModel::forward_mtp(const std::vector<TokenId>& next_ids, int cached_len,
                                    RowForm form) {
  const Matrix hidden = model_->hidden().first_rows(static_cast<int>(next_ids.size()));
  return copy(model_->forward_mtp(batch(next_ids, cached_len, form), hidden));
}

HostMatrix GoldenModel::copy(const Matrix& matrix) const {
  HostMatrix host{matrix.cols, {}};
  std::vector<float> wide(static_cast<size_t>(matrix.cols));
  std::vector<bf16> narrow(wide.size());
  for (int r = 0; r < matrix.rows; ++r) {
    if (matrix.type == NumberType::kF32) {
      backend_->download(wide.data(), matrix.at(r, 0), wide.size() * sizeof(float));
    } else {
      backend_->download(narrow.data(), matrix.at(r, 0), narrow.size() * sizeof(bf16));
      for (size_t i = 0; i < wide.size(); ++i) wide[i] = to_float(narrow[i]);
    }
    host.values.insert(host.values.end(), wide.begin(), wide.end());
  }
  return host;
}

HostMatrix GoldenModel::copy(MatrixView<const float> logits) const {
  return copy(Matrix{const_cast<float*>(logits.data), NumberType::kF32, logits.rows, logits.cols,
                     logits.stride});
}

void GoldenModel::keep_layer(int layer, const Matrix& residual, const Matrix& delta) {
  HostMatrix x = copy(residual);
  const HostMatrix added = copy(delta);
  for (size_t i = 0; i < x.values.size(); ++i) x.values[i] += added.values[i];
  layers_.resize(static_cast<size_t>(model_->config().num_hidden_layers));
  layers_[static_cast<size_t>(layer)].append(x);
}

}  // namespace glint
