#include "bench/serving/bench_dataset.h"

#include <algorithm>
#include <span>

#include "bench/serving/conversation_file.h"
#include "chat/template.h"

namespace glint {
namespace {

Error dataset_error(std::string message) { return {ErrorCode::kStartup, std::move(message), {}}; }

// Everything that one kind of dataset needs.
struct Maker {
  const DatasetOptions& options;
  const TokenSource& source;
  NumpyRandom& random;
  PythonRandom order{options.seed};
  BenchDataset made{};

  bool sends_text() const { return source.tokenizer != nullptr && !options.send_ids; }

  // As text if it can be sent so: then its length is what `ids` were, though it may be tokenized to
  // a few more or less.
  void add(std::vector<TokenId> ids, int output_len) {
    BenchRequest request{.prompt_len = static_cast<int>(ids.size()), .output_len = output_len};
    if (sends_text()) {
      request.text = source.tokenizer->decode(ids, /*skip_special_tokens=*/false);
    } else {
      request.ids = std::move(ids);
    }
    made.requests.push_back(std::move(request));
  }
};

// SGLang's random-ids: consecutive ids from a random one on.
void make_random_ids(Maker& m, const std::vector<int64_t>& input_lens,
                     const std::vector<int64_t>& output_lens) {
  const int64_t vocab = m.source.vocab_size;
  const auto offsets = m.random.randint(0, vocab, input_lens.size());
  for (size_t i = 0; i < input_lens.size(); ++i) {
    std::vector<TokenId> ids(static_cast<size_t>(input_lens[i]));
    for (size_t j = 0; j < ids.size(); ++j)
      ids[j] = static_cast<TokenId>((offsets[i] + static_cast<int64_t>(i + j)) % vocab);
    m.add(std::move(ids), static_cast<int>(output_lens[i]));
  }
}

// Prompts of the conversations, cut or repeated to the wanted length.
Result<void> make_random_text(Maker& m, const std::vector<int64_t>& input_lens,
                              const std::vector<int64_t>& output_lens) {
  std::vector<ConversationTurns> turns = TRY(read_sharegpt(m.options.path));
  m.order.shuffle(turns);
  for (const auto& [prompt, answer] : turns) {
    const size_t i = m.made.requests.size();
    if (i == input_lens.size()) break;
    const std::vector<TokenId> ids = m.source.tokenizer->encode(prompt);
    if (ids.empty()) continue;
    std::vector<TokenId> wanted(static_cast<size_t>(input_lens[i]));
    for (size_t j = 0; j < wanted.size(); ++j) wanted[j] = ids[j % ids.size()];
    m.add(std::move(wanted), static_cast<int>(output_lens[i]));
  }
  if (m.made.requests.size() == input_lens.size()) return {};
  return dataset_error(cat(m.options.path, " has ", m.made.requests.size(),
                           " conversations of two turns; --num-prompts asks for ",
                           input_lens.size(), "."));
}

Result<void> make_random(Maker& m) {
  const DatasetOptions& o = m.options;
  const auto count = static_cast<size_t>(o.num_prompts);
  const auto input_lens = random_lengths(o.random_input_len, o.random_range_ratio, count, m.random);
  const auto output_lens =
      random_lengths(o.random_output_len, o.random_range_ratio, count, m.random);
  if (o.name == "random" && !o.path.empty() && m.source.tokenizer != nullptr)
    return make_random_text(m, input_lens, output_lens);
  if (o.name == "random" && o.path.empty())
    m.made.notes.emplace_back(
        "prompts: random ids, as of random-ids (--dataset-path names a ShareGPT file for text)");
  if (o.name == "random" && !o.path.empty())
    m.made.notes.emplace_back("prompts: random ids: text of --dataset-path needs --tokenizer");
  make_random_ids(m, input_lens, output_lens);
  return {};
}

std::vector<TokenId> random_ids(Maker& m, int64_t count) {
  std::vector<TokenId> ids(static_cast<size_t>(count));
  for (TokenId& id : ids) id = static_cast<TokenId>(m.order.random() * m.source.vocab_size);
  return ids;
}

// A prompt is its group's system prompt, a blank line and its first question.
void add_shared_prefix(Maker& m, const std::vector<TokenId>& system,
                       std::span<const std::vector<TokenId>> questions, int output_len) {
  if (!m.sends_text()) {
    std::vector<TokenId> ids = system;
    ids.insert(ids.end(), questions[0].begin(), questions[0].end());
    return m.add(std::move(ids), output_len);
  }
  const Tokenizer& tokenizer = *m.source.tokenizer;
  BenchRequest request{
      .text = cat(tokenizer.decode(system, false), "\n\n", tokenizer.decode(questions[0], false)),
      .output_len = output_len};
  request.prompt_len = static_cast<int>(tokenizer.encode(request.text).size());
  for (const std::vector<TokenId>& question : questions.subspan(1))
    request.follow_ups.push_back(
        {tokenizer.decode(question, false), static_cast<int>(question.size())});
  m.made.requests.push_back(std::move(request));
}

Result<void> make_shared_prefix(Maker& m) {
  const DatasetOptions& o = m.options;
  if (o.gsp_num_turns > 1 && !m.sends_text())
    return dataset_error(
        cat("--gsp-num-turns ", o.gsp_num_turns,
            ": a question that follows an answer is text, and prompts would be sent as ids: name "
            "the model's folder with --tokenizer, and leave out --tokenize-prompt."));
  const auto groups = static_cast<size_t>(o.gsp_num_groups);
  const auto per_group = static_cast<size_t>(o.gsp_prompts_per_group);
  const auto turns = static_cast<size_t>(o.gsp_num_turns);
  const auto system_lens =
      random_lengths(o.gsp_system_prompt_len, o.gsp_range_ratio, groups, m.random);
  const auto question_lens =
      random_lengths(o.gsp_question_len, o.gsp_range_ratio, groups * per_group * turns, m.random);
  const auto output_lens =
      random_lengths(o.gsp_output_len, o.gsp_range_ratio, groups * per_group, m.random);
  std::vector<std::vector<TokenId>> systems;
  for (const int64_t len : system_lens) systems.push_back(random_ids(m, len));
  for (size_t i = 0; i < output_lens.size(); ++i) {
    std::vector<std::vector<TokenId>> questions;
    for (size_t turn = 0; turn < turns; ++turn)
      questions.push_back(random_ids(m, question_lens[i * turns + turn]));
    add_shared_prefix(m, systems[i / per_group], questions, static_cast<int>(output_lens[i]));
    if (o.gsp_send_routing_key)
      m.made.requests.back().routing_key = cat("gsp-", o.seed, "-", i / per_group);
  }
  if (!o.gsp_ordered) m.order.shuffle(m.made.requests);
  return {};
}

// SGLang: in front of "Assistant:", which it then adds in any case.
std::string with_suffix(std::string prompt, const std::string& suffix) {
  constexpr std::string_view kAssistant = "Assistant:";
  if (suffix.empty()) return prompt;
  if (prompt.ends_with(kAssistant)) prompt.resize(prompt.size() - kAssistant.size());
  return cat(prompt, suffix, kAssistant);
}

Result<std::string> with_template(std::string prompt) {
  const Message message{.role = "user", .content = Json(std::move(prompt))};
  return TRY(render_chat({message}, {}, {})).text;
}

// Conversations as they are, those left out that are too short or too long.
Result<void> make_conversations(Maker& m, std::vector<ConversationTurns> turns) {
  const DatasetOptions& o = m.options;
  m.order.shuffle(turns);
  for (auto& [question, answer] : turns) {
    if (m.made.requests.size() == static_cast<size_t>(o.num_prompts)) break;
    std::string prompt = with_suffix(std::move(question), o.prompt_suffix);
    if (o.apply_chat_template) prompt = TRY(with_template(std::move(prompt)));
    std::vector<TokenId> ids = m.source.tokenizer->encode(prompt);
    const auto prompt_len = static_cast<int>(ids.size());
    const int output_len = o.sharegpt_output_len > 0
                               ? o.sharegpt_output_len
                               : static_cast<int>(m.source.tokenizer->encode(answer).size());
    if (prompt_len < 2 || output_len < 2) continue;
    if (o.sharegpt_context_len > 0 && prompt_len + output_len > o.sharegpt_context_len) continue;
    if (!o.send_ids) ids.clear();
    if (o.send_ids) prompt.clear();
    m.made.requests.push_back({.text = std::move(prompt),
                               .ids = std::move(ids),
                               .prompt_len = prompt_len,
                               .output_len = output_len});
  }
  if (!m.made.requests.empty()) return {};
  return dataset_error(cat(o.path,
                           " has no conversation that can be used: expected two turns, at "
                           "least two tokens in each."));
}

Result<void> make_from_file(Maker& m) {
  const DatasetOptions& o = m.options;
  if (o.path.empty())
    return dataset_error(cat("--dataset-name ", o.name, " needs its file: --dataset-path."));
  if (m.source.tokenizer == nullptr)
    return dataset_error(cat("--dataset-name ", o.name,
                             " counts tokens: name the model's folder with --tokenizer."));
  return make_conversations(
      m, TRY(o.name == "sharegpt" ? read_sharegpt(o.path) : read_custom(o.path)));
}

}  // namespace

std::vector<int64_t> random_lengths(int longest, double range_ratio, size_t count,
                                    NumpyRandom& random) {
  const auto shortest = static_cast<int64_t>(longest * range_ratio);
  return random.randint(std::max(shortest, int64_t{1}), int64_t{longest} + 1, count);
}

int plain_vocab_size(const Tokenizer& tokenizer) {
  int size = 0;
  while (size < tokenizer.num_tokens() && !tokenizer.is_special(size)) ++size;
  return size > 0 ? size : tokenizer.num_tokens();
}

Result<BenchDataset> make_dataset(const DatasetOptions& options, const TokenSource& source,
                                  NumpyRandom& random) {
  Maker maker{.options = options, .source = source, .random = random};
  if (options.name == "random" || options.name == "random-ids") {
    TRY(make_random(maker));
  } else if (options.name == "generated-shared-prefix") {
    TRY(make_shared_prefix(maker));
  } else {
    TRY(make_from_file(maker));
  }
  if (source.tokenizer == nullptr)
    maker.made.notes.emplace_back("prompts are sent as ids: this client has no tokenizer");
  return std::move(maker.made);
}

}  // namespace glint
