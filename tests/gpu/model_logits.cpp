// model_logits FOLDER --ids FILE --length T --prompt-out FILE --decode-out FILE: the logits at
// every position of the sequences in FILE, for logit_error.py and bundled_on_gpu.py to compare.
//
// FILE has int32 ids, sequences of T one after another. The outputs are FP32, [rows of FILE,
// vocab_size]: all sequences as prompts in one step, and each decoded token by token beside the
// others.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/check.h"
#include "tests/gpu/test_model.h"

namespace glint {
namespace {

constexpr int kPageSize = 64;

struct Flags {
  TestModelFlags model;
  std::string ids, prompt_out, decode_out;
  int length = 0;
};

struct Sequences {
  std::vector<TokenId> ids;  // [count, length]
  int count = 0, length = 0;

  int pages() const { return pages_for(length, kPageSize); }
};

Error startup(std::string message) { return {ErrorCode::kStartup, std::move(message)}; }

Result<Sequences> read_ids(const Flags& flags, const ModelConfig& config) {
  std::ifstream file(flags.ids, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const size_t row_bytes = static_cast<size_t>(flags.length) * sizeof(TokenId);
  if (!file || bytes.empty() || bytes.size() % row_bytes != 0)
    return startup(cat(flags.ids, " has ", bytes.size(), " bytes; expected int32 ids in sequences ",
                       "of ", flags.length, "."));
  Sequences sequences;
  sequences.ids.resize(bytes.size() / sizeof(TokenId));
  std::memcpy(sequences.ids.data(), bytes.data(), bytes.size());
  for (const TokenId id : sequences.ids)
    if (id < 0 || id >= config.vocab_size)
      return startup(cat(flags.ids, " has the id ", id, "; vocab_size is ", config.vocab_size));
  sequences.length = flags.length;
  sequences.count = static_cast<int>(bytes.size() / row_bytes);
  return sequences;
}

// `count` ids of each sequence from `begin` on, all with logits.
Batch batch_of(const Sequences& sequences, int begin, int count, RowForm form) {
  Batch batch;
  for (int s = 0; s < sequences.count; ++s) {
    append(batch,
           {.ids = sequences.ids.data() + s * sequences.length + begin,
            .count = count,
            .cached_len = begin,
            .first_page = s * sequences.pages(),
            .form = form,
            .num_logit_rows = count},
           kPageSize);
  }
  return batch;
}

class LogitsFile {
 public:
  explicit LogitsFile(const std::string& path) : path_(path), file_(path, std::ios::binary) {}

  void write_row(int row, const HostLogits& logits, int from) {
    const auto bytes = static_cast<std::streamsize>(sizeof(float)) * logits.cols;
    file_.seekp(row * bytes);
    file_.write(reinterpret_cast<const char*>(logits.row(from)), bytes);
  }
  Result<void> close() {
    file_.close();
    if (!file_) return startup(cat("Cannot write ", path_, "; is there room for it?"));
    return {};
  }

 private:
  std::string path_;
  std::ofstream file_;
};

Result<void> write_prompt_logits(TestModel& model, const Sequences& sequences,
                                 const std::string& path) {
  LogitsFile file(path);
  const HostLogits logits =
      model.forward(batch_of(sequences, 0, sequences.length, RowForm::kPrompt));
  for (int row = 0; row < logits.rows; ++row) file.write_row(row, logits, row);
  return file.close();
}

Result<void> write_decode_logits(TestModel& model, const Sequences& sequences,
                                 const std::string& path) {
  LogitsFile file(path);
  for (int position = 0; position < sequences.length; ++position) {
    const HostLogits logits = model.forward(batch_of(sequences, position, 1, RowForm::kDecode));
    for (int s = 0; s < sequences.count; ++s)
      file.write_row(s * sequences.length + position, logits, s);
  }
  return file.close();
}

Result<void> run(const Flags& flags) {
  const ModelConfig config =
      TRY(load_config(std::filesystem::path(flags.model.folder) / "config.json"));
  const Sequences sequences = TRY(read_ids(flags, config));
  const ModelOptions options{.page_size = kPageSize,
                             .num_pages = sequences.count * sequences.pages(),
                             .max_batch_tokens = sequences.count * sequences.length,
                             .max_batch_sequences = sequences.count};
  TestModel model = TRY(TestModel::load(flags.model, config, options, /*records=*/true));
  if (!flags.prompt_out.empty()) TRY(write_prompt_logits(model, sequences, flags.prompt_out));
  if (!flags.decode_out.empty()) TRY(write_decode_logits(model, sequences, flags.decode_out));
  return {};
}

}  // namespace
}  // namespace glint

int main(int argc, char** argv) {
  glint::Flags flags;
  CLI::App app("Writes a model's logits at every position of given sequences.");
  flags.model.add_to(app);
  app.add_option("--ids", flags.ids, "file of int32 ids")->required()->check(CLI::ExistingFile);
  app.add_option("--length", flags.length, "ids of a sequence")
      ->required()
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--prompt-out", flags.prompt_out, "file for the logits as prompts");
  app.add_option("--decode-out", flags.decode_out, "file for the logits token by token");
  CLI11_PARSE(app, argc, argv);
  const auto done = glint::run(flags);
  if (!done) std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
