// tokenizer.json to TokenizerData. Only one kind of file is understood, byte-level BPE with the one
// split pattern; every part of it that would make other ids or another text is checked.

#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "base/json.h"
#include "base/planted_bug.h"
#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/tokenizer_data.h"

namespace glint {
namespace {

// The released file has 20 MB.
constexpr JsonLimits kLimits{.max_bytes = size_t{256} << 20, .max_depth = 32};
// Vocabulary offsets and merge ranks are 32-bit, ids positive.
constexpr size_t kMaxTokens = size_t{1} << 22;
constexpr size_t kMaxShown = 120;  // bytes of a value in an error

const Json kAbsent = nullptr;

// Reads the file's parts by path ("model.merges[7]") and refuses them by it.
class Reader {
 public:
  Reader(const Json& root, std::string_view name) : root_(root), name_(name) {}

  Error refuse_as(std::string_view path, std::string_view found, std::string_view expected) const {
    return {ErrorCode::kStartup,
            cat(name_, ": ", path, " is ", found, "; expected ", expected, ".")};
  }
  Error refuse(std::string_view path, const Json& found, std::string_view expected) const {
    return refuse_as(path, shown(found), expected);
  }

  // The member of `object`, null if absent. Absent and null mean the same in this format.
  static const Json& member(const Json& object, std::string_view key) {
    if (!object.is_object()) return kAbsent;
    const auto found = object.find(key);
    return found == object.end() ? kAbsent : *found;
  }

  Result<void> expect(const Json& object, std::string_view path, std::string_view key,
                      const Json& expected) const {
    const Json& found = member(object, key);
    if (found == expected) return {};
    return refuse(join(path, key), found, shown(expected));
  }
  // Absent is as good as false.
  Result<void> expect_not(const Json& object, std::string_view path, std::string_view key) const {
    const Json& found = member(object, key);
    if (found.is_null() || found == false) return {};
    return refuse(join(path, key), found, "false");
  }

  static std::string join(std::string_view path, std::string_view key) {
    return path.empty() ? std::string(key) : cat(path, ".", key);
  }
  static std::string shown(const Json& value) {
    std::string text = to_json_text(value);
    if (text.size() <= kMaxShown) return text;
    text.resize(kMaxShown);
    text.resize(kMaxShown - incomplete_utf8_suffix(text));
    return text + "...";
  }

  const Json& root() const { return root_; }

 private:
  const Json& root_;
  std::string_view name_;
};

Result<void> check_pre_tokenizer(const Reader& reader) {
  const Json& sequence = Reader::member(reader.root(), "pre_tokenizer");
  TRY(reader.expect(sequence, "pre_tokenizer", "type", "Sequence"));
  const Json& steps = Reader::member(sequence, "pretokenizers");
  if (!steps.is_array() || steps.size() != 2)
    return reader.refuse("pre_tokenizer.pretokenizers", steps, "a Split and a ByteLevel");
  constexpr const char* kSplit = "pre_tokenizer.pretokenizers[0]";
  TRY(reader.expect(steps[0], kSplit, "type", "Split"));
  TRY(reader.expect(Reader::member(steps[0], "pattern"), cat(kSplit, ".pattern"), "Regex",
                    std::string(kSplitPattern)));
  TRY(reader.expect(steps[0], kSplit, "behavior", "Isolated"));
  TRY(reader.expect_not(steps[0], kSplit, "invert"));
  constexpr const char* kByteLevel = "pre_tokenizer.pretokenizers[1]";
  TRY(reader.expect(steps[1], kByteLevel, "type", "ByteLevel"));
  TRY(reader.expect(steps[1], kByteLevel, "add_prefix_space", false));
  return reader.expect(steps[1], kByteLevel, "use_regex", false);  // its default is true
}

Result<void> check_model(const Reader& reader, const Json& model) {
  TRY(reader.expect(model, "model", "type", "BPE"));
  for (const char* key :
       {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& found = Reader::member(model, key);
    if (!found.is_null() && found != "") return reader.refuse(cat("model.", key), found, "null");
  }
  TRY(reader.expect_not(model, "model", "byte_fallback"));
  return reader.expect(model, "model", "ignore_merges", true);
}

// What would change a text before or its ids after the model. The ByteLevel post-processor only
// moves offsets.
Result<void> check_surroundings(const Reader& reader) {
  TRY(reader.expect(reader.root(), "", "normalizer", nullptr));
  TRY(reader.expect(reader.root(), "", "truncation", nullptr));
  TRY(reader.expect(reader.root(), "", "padding", nullptr));
  const Json& post_processor = Reader::member(reader.root(), "post_processor");
  if (!post_processor.is_null())
    TRY(reader.expect(post_processor, "post_processor", "type", "ByteLevel"));
  return reader.expect(Reader::member(reader.root(), "decoder"), "decoder", "type", "ByteLevel");
}

// An entry of model.vocab: its bytes at the place of its id.
Result<void> add_token(const Reader& reader, const std::string& token, const Json& id,
                       std::vector<std::string>& tokens) {
  // Only made for an error: files have hundreds of thousands of entries.
  const auto path = [&] { return cat("model.vocab[", Reader::shown(token), "]"); };
  if (!id.is_number_unsigned() || id.get<uint64_t>() >= tokens.size())
    return reader.refuse(path(), id, cat("an id below the number of entries, ", tokens.size()));
  std::string& slot = tokens[id.get<size_t>()];
  if (!slot.empty() && !planted(PlantedBug::kTokenIdReused))
    return reader.refuse(path(), id, "an id that no other entry has");
  const auto bytes = bytes_from_alphabet(token);
  if (!bytes || bytes->empty())
    return reader.refuse_as(path(), "not written in the byte alphabet", "GPT-2's 256 characters");
  slot = *bytes;
  return {};
}

// Bytes by id. There are as many ids as entries and none comes twice, so there are no holes.
Result<std::vector<std::string>> read_vocab(const Reader& reader, const Json& model) {
  const Json& vocab = Reader::member(model, "vocab");
  if (!vocab.is_object() || vocab.size() > kMaxTokens)
    return reader.refuse("model.vocab", vocab, cat("an object of at most ", kMaxTokens, " tokens"));
  std::vector<std::string> tokens(vocab.size());
  for (const auto& [token, id] : vocab.items()) TRY(add_token(reader, token, id, tokens));
  return tokens;
}

using IdsByBytes = std::unordered_map<std::string_view, TokenId>;

Result<std::array<TokenId, 256>> byte_ids(const Reader& reader, const IdsByBytes& ids) {
  std::array<TokenId, 256> found;
  for (int byte = 0; byte < 256; ++byte) {
    const char bytes[] = {static_cast<char>(byte)};
    const auto id = ids.find(std::string_view(bytes, 1));
    if (id == ids.end())
      return reader.refuse_as("model.vocab", cat("without byte ", byte), "a token for every byte");
    found[static_cast<size_t>(byte)] = id->second;
  }
  return found;
}

// ["a", "b"], or "a b" as files before 2024 have it.
std::optional<std::array<std::string, 2>> merge_parts(const Json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return {{merge[0].get<std::string>(), merge[1].get<std::string>()}};
  if (!merge.is_string()) return std::nullopt;
  const std::string& text = merge.get_ref<const std::string&>();
  const size_t blank = text.find(' ');
  if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos)
    return std::nullopt;
  return {{text.substr(0, blank), text.substr(blank + 1)}};
}

Result<Merge> read_merge(const Reader& reader, size_t rank, const Json& merge,
                         const IdsByBytes& ids) {
  const auto path = [&] { return cat("model.merges[", rank, "]"); };
  const auto parts = merge_parts(merge);
  if (!parts) return reader.refuse(path(), merge, "two tokens, [\"a\", \"b\"] or \"a b\"");
  const auto id_of = [&](const std::optional<std::string>& bytes) {
    const auto found = bytes ? ids.find(*bytes) : ids.end();
    return found == ids.end() ? TokenId{-1} : found->second;
  };
  const Merge read = {id_of(bytes_from_alphabet((*parts)[0])),
                      id_of(bytes_from_alphabet((*parts)[1])),
                      id_of(bytes_from_alphabet((*parts)[0] + (*parts)[1]))};
  if (read.left < 0 || read.right < 0 || read.merged < 0)
    return reader.refuse(path(), merge, "both parts and their sum in model.vocab");
  return read;
}

Result<std::vector<Merge>> read_merges(const Reader& reader, const Json& model,
                                       const IdsByBytes& ids) {
  const Json& merges = Reader::member(model, "merges");
  if (!merges.is_array()) return reader.refuse("model.merges", merges, "an array of pairs");
  std::vector<Merge> read;
  read.reserve(merges.size());
  for (const Json& merge : merges) read.push_back(TRY(read_merge(reader, read.size(), merge, ids)));
  return read;
}

Result<AddedToken> read_added_token(const Reader& reader, const std::string& path,
                                    const Json& token, TokenId id) {
  const Json& content = Reader::member(token, "content");
  if (!content.is_string() || content == "")
    return reader.refuse(path + ".content", content, "a text");
  // Ids without a token would be holes.
  TRY(reader.expect(token, path, "id", id));
  for (const char* key : {"single_word", "lstrip", "rstrip", "normalized"})
    TRY(reader.expect_not(token, path, key));
  const Json& special = Reader::member(token, "special");
  if (!special.is_boolean()) return reader.refuse(path + ".special", special, "true or false");
  return AddedToken{id, content.get<std::string>(), special.get<bool>()};
}

Result<std::vector<AddedToken>> read_added_tokens(const Reader& reader, size_t first_id,
                                                  const IdsByBytes& ids) {
  const Json& tokens = Reader::member(reader.root(), "added_tokens");
  if (!tokens.is_array() || tokens.size() > kMaxTokens)
    return reader.refuse("added_tokens", tokens, "an array of tokens");
  std::vector<AddedToken> read;
  std::unordered_set<std::string> contents;
  for (const Json& token : tokens) {
    const std::string path = cat("added_tokens[", read.size(), "]");
    const TokenId id = static_cast<TokenId>(first_id + read.size());
    read.push_back(TRY(read_added_token(reader, path, token, id)));
    const std::string& content = read.back().content;
    if (!contents.insert(content).second)
      return reader.refuse(path + ".content", token["content"], "one that did not come before");
    if (ids.contains(content))
      return reader.refuse(path + ".content", token["content"],
                           "one not in model.vocab, so that ordinary text cannot become it");
  }
  return read;
}

// As the ByteLevel decoder turns a token into bytes, added ones too: through the alphabet if all of
// it is in there, else as it stands.
std::string decoded(const AddedToken& token) {
  return bytes_from_alphabet(token.content).value_or(token.content);
}

}  // namespace

Result<std::shared_ptr<const TokenizerData>> parse_tokenizer_json(std::string_view json_text,
                                                                  std::string_view name) {
  auto root = parse_json(json_text, kLimits);
  if (!root) return Error{ErrorCode::kStartup, cat(name, ": ", root.error().message)};
  const Reader reader(*root, name);
  const Json& model = Reader::member(*root, "model");
  TRY(check_model(reader, model));
  TRY(check_pre_tokenizer(reader));
  TRY(check_surroundings(reader));

  std::vector<std::string> tokens = TRY(read_vocab(reader, model));
  IdsByBytes ids;
  ids.reserve(tokens.size());
  for (const std::string& bytes : tokens) {
    ids.emplace(bytes, static_cast<TokenId>(ids.size()));
  }
  MergeTable merges(TRY(byte_ids(reader, ids)), TRY(read_merges(reader, model, ids)));
  const size_t num_model_tokens = tokens.size();
  std::vector<AddedToken> added = TRY(read_added_tokens(reader, num_model_tokens, ids));
  ids.clear();  // its keys are views into `tokens`, which grows now
  for (const AddedToken& token : added) tokens.push_back(decoded(token));
  return std::make_shared<const TokenizerData>(Vocab(tokens, static_cast<int>(num_model_tokens)),
                                               std::move(merges),
                                               static_cast<TokenId>(num_model_tokens), added);
}

}  // namespace glint
