// The body of /generate as our types.

#include <utility>
#include <vector>

#include "api/native/generate.h"
#include "api/prompt_scoring.h"
#include "api/prompts.h"

namespace glint {
namespace {

Result<RawPrompts> find_native_prompts(const RequestFields& fields, const ServerContext& context) {
  std::optional<RawPrompts> text = TRY(find_prompts(fields, "text", PromptKind::kText, context));
  std::optional<RawPrompts> ids = TRY(find_prompts(fields, "input_ids", PromptKind::kIds, context));
  if (text && ids) return fields.error("input_ids", "text and input_ids are both set: send one.");
  if (!text && !ids) return fields.refuse("text", "text, or input_ids instead");
  return text ? *std::move(text) : *std::move(ids);
}

// sampling_params is one object for all prompts, or an array with one for each.
Result<GenerationParams> parse_params_of(const RequestFields& fields, size_t prompt,
                                         size_t num_prompts, ServerContext& context) {
  static const Json kNone = Json::object();
  const Json* value = fields.find("sampling_params");
  if (value == nullptr) value = &kNone;
  std::string path = "sampling_params";
  if (value->is_array()) {
    if (value->size() != num_prompts)
      return fields.error("sampling_params", cat("sampling_params has ", value->size(),
                                                 " entries for ", num_prompts, " prompts."));
    path += cat("[", prompt, "]");
    value = &(*value)[prompt];
  }
  if (!value->is_object()) return fields.refuse("sampling_params", "an object");
  return parse_generation_params(RequestFields(*value, path), Dialect::kNative, context);
}

Result<std::string> parse_rid(const RequestFields& fields, size_t prompt, RandomSource& ids) {
  const Json* rid = fields.find("rid");
  if (rid != nullptr && rid->is_array() && prompt < rid->size()) rid = &(*rid)[prompt];
  if (rid == nullptr) return ids.next_hex(32);
  if (!rid->is_string()) return fields.refuse("rid", "a string, or an array with one a prompt");
  TRY(check_name_size(fields, "rid", rid->get_ref<const std::string&>()));
  return rid->get<std::string>();
}

// Every prompt with all of its own but its ids.
Result<void> parse_entries(const RequestFields& fields, size_t num_prompts, ServerContext& context,
                           NativeRequest& request) {
  size_t num_answers = 0;
  for (size_t i = 0; i < num_prompts; ++i) {
    NativePrompt prompt;
    prompt.params = TRY(parse_params_of(fields, i, num_prompts, context));
    TRY(parse_scheduling(fields, prompt.params));
    prompt.id = TRY(parse_rid(fields, i, context.ids));
    num_answers += static_cast<size_t>(prompt.params.n);
    request.prompts.push_back(std::move(prompt));
  }
  return check_num_answers(num_answers, "sampling_params");
}

// The first position whose log-probability is asked for; -1: the first of the output.
Result<int64_t> parse_native_logprobs(const RequestFields& fields, NativeRequest& request) {
  request.return_logprob = TRY(fields.boolean("return_logprob")).value_or(false);
  request.return_text_in_logprobs = TRY(fields.boolean("return_text_in_logprobs")).value_or(false);
  request.top_logprobs_num =
      static_cast<int>(TRY(fields.integer("top_logprobs_num", 0, kMaxLogprobs)).value_or(0));
  const int64_t begin = TRY(fields.integer("logprob_start_len", -1, INT32_MAX)).value_or(-1);
  if (!request.return_logprob) return -1;
  TRY(refuse_unavailable(fields, {"token_ids_logprob"}));
  for (NativePrompt& prompt : request.prompts)
    prompt.params.sampling.num_logprobs = request.top_logprobs_num;
  return begin;
}

Error no_prompt_logprobs(const RequestFields& fields, int64_t begin, const std::string& why) {
  return fields.error("logprob_start_len",
                      cat("logprob_start_len is ", begin, ", within the prompt: ", why));
}

Result<void> check_can_score(const RequestFields& fields, int64_t begin,
                             const NativeRequest& request, const NativePrompt& prompt) {
  if (prompt.params.max_tokens == 0 && prompt.params.n == 1 && !request.stream) return {};
  return no_prompt_logprobs(fields, begin, "expected max_new_tokens 0, n 1 and no stream with it.");
}

// Splits the prompt where its log-probabilities begin. Position `begin` itself has none, as in
// SGLang: what is computed there is the next token's.
Result<void> score_prompt(const RequestFields& fields, int64_t begin, const NativeRequest& request,
                          const ServerContext& context, NativePrompt& prompt) {
  TRY(check_can_score(fields, begin, request, prompt));
  const std::vector<TokenId> ids = prompt.ids.copy();
  const auto split = ids.begin() + begin + 1;
  const auto num_forced = static_cast<int>(ids.end() - split);
  TRY(check_scored({split, ids.end()}, "logprob_start_len", context));
  prompt.ids = std::vector<TokenId>(ids.begin(), split);
  prompt.forced = std::vector<TokenId>(split, ids.end());
  prompt.params.max_tokens = num_forced;
  prompt.params.max_tokens_field = "logprob_start_len";
  prompt.params.sampling.stop_token_ids.clear();
  prompt.params.text.stop.clear();
  prompt.params.text.repetition = {};
  return {};
}

}  // namespace

Result<NativeRequest> parse_native_request(const Json& body, ServerContext& context) {
  const RequestFields fields(body);
  NativeRequest request;
  const RawPrompts raw = TRY(find_native_prompts(fields, context));
  request.prompt_field = raw.field;
  request.is_batch = raw.is_batch;
  TRY(parse_entries(fields, raw.prompts.size(), context, request));
  const int64_t logprob_start = TRY(parse_native_logprobs(fields, request));
  request.stream = TRY(fields.boolean("stream")).value_or(false);
  for (const NativePrompt& prompt : request.prompts)  // 0 is within every prompt
    if (logprob_start == 0) TRY(check_can_score(fields, logprob_start, request, prompt));
  TRY(refuse_unavailable(fields, {"image_data", "audio_data", "video_data", "input_embeds",
                                  "lora_path", "return_hidden_states", "session_params"}));
  request.incremental =
      TRY(fields.boolean("incremental")).value_or(context.options.incremental_output);
  std::vector<SharedTokens> ids = TRY(encode_prompts(raw, context));
  for (size_t i = 0; i < ids.size(); ++i) {
    NativePrompt& prompt = request.prompts[i];
    prompt.ids = std::move(ids[i]);
    if (logprob_start >= 0 && logprob_start < static_cast<int64_t>(prompt.ids.size()))
      TRY(score_prompt(fields, logprob_start, request, context, prompt));
  }
  return request;
}

}  // namespace glint
