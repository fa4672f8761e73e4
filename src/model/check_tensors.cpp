// check_tensors: the checkpoint's names and shapes against the config's (checkpoint.h).

#include <set>

#include "model/checkpoint.h"
#include "model/checkpoint_tensors.h"

namespace glint {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += cat(text.size() > 1 ? ", " : "", size);
  return text + "]";
}

// The first five problems in words; the rest as a count.
class Problems {
 public:
  void add(const std::string& problem) {
    if (++count_ <= kMaxShown) text_ += "\n  " + problem;
  }
  int count() const { return count_; }
  std::string text() const {
    return count_ > kMaxShown ? cat(text_, "\n  and ", count_ - kMaxShown, " more") : text_;
  }

 private:
  static constexpr int kMaxShown = 5;
  int count_ = 0;
  std::string text_;
};

class TensorCheck {
 public:
  TensorCheck(const Checkpoint& checkpoint, const ModelConfig& config)
      : checkpoint_(checkpoint), config_(config) {}

  void require(const std::vector<TensorSpec>& specs) {
    for (const TensorSpec& spec : specs) check(spec, /*is_optional=*/false);
  }

  void require_layer(int layer) {
    const std::string stacked = layer_prefix(layer) + "mlp.experts.gate_up_proj";
    const ExpertLayout layout =
        checkpoint_.find(stacked) ? ExpertLayout::kStacked : ExpertLayout::kSeparate;
    require(decoder_layer_tensors(config_, layer, layout));
  }

  void require_mtp_layer() {
    require_layer(config_.num_hidden_layers);
    std::vector<TensorSpec> specs = mtp_tensors(config_);
    for (size_t i = 0; i < specs.size(); ++i) {
      check(specs[i], /*is_optional=*/i + 2 >= specs.size());
    }
  }

  // `unasked_prefix`: tensors that may be there without being asked for; empty: none.
  void refuse_unknown(const std::string& unasked_prefix) {
    for (const Tensor* tensor : checkpoint_.tensors()) {
      const bool unasked = !unasked_prefix.empty() && tensor->name.starts_with(unasked_prefix);
      if (unasked || known_.contains(tensor->name)) continue;
      problems_.add(cat(tensor->name, " in ", tensor->file, ": not a tensor of this model"));
    }
  }

  const Problems& problems() const { return problems_; }

 private:
  void check(const TensorSpec& spec, bool is_optional) {
    known_.insert(spec.name);
    const Tensor* tensor = checkpoint_.find(spec.name);
    if (tensor == nullptr) {
      if (!is_optional) {
        problems_.add(cat(spec.name, ": missing; expected shape ", shape_text(spec.shape)));
      }
    } else if (tensor->shape != spec.shape) {
      problems_.add(cat(spec.name, " in ", tensor->file, ": shape ", shape_text(tensor->shape),
                        "; expected ", shape_text(spec.shape), " by config.json"));
    }
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  std::set<std::string, std::less<>> known_;
  Problems problems_;
};

}  // namespace

Result<void> check_tensors(const Checkpoint& checkpoint, const ModelConfig& config, bool with_mtp) {
  TensorCheck check(checkpoint, config);
  check.require(outer_tensors(config));
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) check.require_layer(layer);
  if (with_mtp) check.require_mtp_layer();
  check.refuse_unknown(with_mtp ? "" : layer_prefix(config.num_hidden_layers));

  const Problems& problems = check.problems();
  if (problems.count() == 0) return {};
  return Error{ErrorCode::kStartup, cat(checkpoint.folder().string(), ": ", problems.count(),
                                        problems.count() == 1 ? " tensor does" : " tensors do",
                                        " not agree with config.json:", problems.text())};
}

}  // namespace glint
