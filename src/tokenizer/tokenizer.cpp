#include "tokenizer/tokenizer.h"

#include <fstream>
#include <sstream>

#include "base/utf8.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/tokenizer_data.h"

namespace glint {
namespace {

// One call of encode: the text between added tokens is split and merged, piece by piece.
class Encoder {
 public:
  explicit Encoder(const TokenizerData& data) : data_(data), merger_(data.merges) {}

  void append_text(std::string_view text) {
    for (Pretokenizer pre_tokens(text); !pre_tokens.done();) {
      const std::string_view pre_token = pre_tokens.next();
      // ignore_merges: a whole pre-token of the vocabulary needs no merges, and some are reached
      // in no other way.
      if (const auto id = data_.vocab.find(pre_token)) {
        ids_.push_back(*id);
      } else {
        merger_.append_ids(pre_token, ids_);
      }
    }
  }
  void append_id(TokenId id) { ids_.push_back(id); }
  std::vector<TokenId> take() && { return std::move(ids_); }

 private:
  const TokenizerData& data_;
  BpeMerger merger_;
  std::vector<TokenId> ids_;
};

}  // namespace

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& tokenizer_json) {
  std::ifstream file(tokenizer_json, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return Error{ErrorCode::kStartup,
                 cat(tokenizer_json.string(),
                     " cannot be read. A model's folder holds its tokenizer.json; --tokenizer-path "
                     "names another folder.")};
  }
  return parse(std::move(text).str(), tokenizer_json.string());
}

Result<Tokenizer> Tokenizer::parse(std::string_view json_text, std::string_view name) {
  return Tokenizer(TRY(parse_tokenizer_json(json_text, name)));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
  Encoder encoder(*data_);
  size_t at = 0;
  while (const auto match = data_->added.search(text, at)) {
    encoder.append_text(text.substr(at, match->range.begin - at));
    encoder.append_id(match->id);
    at = match->range.end;
  }
  encoder.append_text(text.substr(at));
  return std::move(encoder).take();
}

std::vector<TokenId> Tokenizer::encode(std::string_view text,
                                       std::span<const ByteRange> control) const {
  Encoder encoder(*data_);
  size_t at = 0, checked = 0;
  for (const auto& [begin, end] : control) {
    CHECK(checked <= begin && begin <= end && end <= text.size(), "control range [", begin, ", ",
          end, ") after ", checked, " in a text of ", text.size(), " bytes");
    checked = end;
    const auto id = data_->added.find(text.substr(begin, end - begin));
    if (!id) continue;  // stays a part of the text around it
    encoder.append_text(text.substr(at, begin - at));
    encoder.append_id(*id);
    at = end;
  }
  encoder.append_text(text.substr(at));
  return std::move(encoder).take();
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (const TokenId id : ids) {
    if (!skip_special_tokens || !is_special(id)) bytes += token_bytes(id);
  }
  return is_valid_utf8(bytes) ? bytes : to_valid_utf8(bytes);
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  return data_->vocab.has(id) ? data_->vocab.bytes(id) : std::string_view();
}

std::optional<TokenId> Tokenizer::find(std::string_view token) const {
  return data_->added.find(token);
}

bool Tokenizer::is_special(TokenId id) const { return data_->added.is_special(id); }

int Tokenizer::num_tokens() const { return data_->vocab.num_tokens(); }

}  // namespace glint
