// The body of /generate as our types.

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "api/native/generate.h"
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

// The body as one prompt of a batch sees it: of a field that has an array with one value for each
// prompt, its own, under the name "field[i]".
class PromptFields {
 public:
  PromptFields(const RequestFields& all, size_t prompt, const RawPrompts& raw)
      : all_(all), prompt_(prompt), num_prompts_(raw.prompts.size()), is_batch_(raw.is_batch) {}

  Result<std::optional<bool>> boolean(std::string_view name) const {
    const Own own = TRY(find(name));
    return RequestFields(own.object).boolean(own.name);
  }
  Result<std::optional<int64_t>> integer(std::string_view name, int64_t min, int64_t max) const {
    const Own own = TRY(find(name));
    return RequestFields(own.object).integer(own.name, min, max);
  }
  // An array of ids for all prompts; of a batch also an array with one, or null, for each.
  Result<std::vector<TokenId>> token_ids(std::string_view name, int max_count,
                                         int vocab_size) const;
  Result<std::optional<std::string>> name(std::string_view name) const {
    const Own own = TRY(find(name));
    return parse_name(RequestFields(own.object), own.name);
  }
  Result<void> scheduling(GenerationParams& params) const {
    Json object = Json::object();
    for (const char* name : {"priority", "extra_key", "cache_salt"})
      object[name] = TRY(find(name)).value();
    return parse_scheduling(RequestFields(object), params);
  }
  // sampling_params, which may be large, is not copied.
  Result<GenerationParams> params(ServerContext& context, int& stream_interval) const;

 private:
  struct Own {
    Json object;  // {name: value}
    std::string name;

    const Json& value() const { return object[name]; }
  };
  struct Place {
    const Json* value = nullptr;  // null: absent
    std::string name;
  };
  bool has_list(const Json* value) const {
    return is_batch_ && value != nullptr && value->is_array();
  }
  Result<void> check_size(std::string_view name, const Json& list) const {
    if (list.size() == num_prompts_) return {};
    return all_.error(name,
                      cat(name, " has ", list.size(), " entries for ", num_prompts_, " prompts."));
  }
  // `listed`: the field has a value for each prompt.
  Result<Place> place_of(std::string_view name, bool listed) const;
  Result<Own> find(std::string_view name) const;

  const RequestFields& all_;
  size_t prompt_;
  size_t num_prompts_;
  bool is_batch_;
};

Result<PromptFields::Place> PromptFields::place_of(std::string_view name, bool listed) const {
  const Json* value = all_.find(name);
  if (!listed) return Place{.value = value, .name = std::string(name)};
  TRY(check_size(name, *value));
  return Place{.value = &(*value)[prompt_], .name = cat(name, "[", prompt_, "]")};
}

Result<PromptFields::Own> PromptFields::find(std::string_view name) const {
  const Place place = TRY(place_of(name, has_list(all_.find(name))));
  Own own{.object = Json::object(), .name = place.name};
  own.object[own.name] = place.value == nullptr ? Json(nullptr) : *place.value;
  return own;
}

// The first entry tells what the others are, as in SGLang. Nothing longer than allowed is copied.
Result<std::vector<TokenId>> PromptFields::token_ids(std::string_view name, int max_count,
                                                     int vocab_size) const {
  const Json* all = all_.find(name);
  const bool listed =
      has_list(all) && !all->empty() && (all->front().is_array() || all->front().is_null());
  const Place place = TRY(place_of(name, listed));
  if (place.value == nullptr) return std::vector<TokenId>();
  if (place.value->is_array() && place.value->size() > static_cast<size_t>(max_count))
    return all_.error(place.name, cat(place.name, " has ", place.value->size(),
                                      " entries; at most ", max_count, " are allowed."));
  const Json own = {{place.name, *place.value}};
  const auto ids = TRY(RequestFields(own).integers(place.name, 0, vocab_size - 1));
  return std::vector<TokenId>(ids.begin(), ids.end());
}

Result<GenerationParams> PromptFields::params(ServerContext& context, int& stream_interval) const {
  static const Json kNone = Json::object();
  const Json* value = all_.find("sampling_params");
  std::string path = "sampling_params";
  if (value != nullptr && value->is_array()) {  // of one for a single prompt, too
    TRY(check_size(path, *value));
    path += cat("[", prompt_, "]");
    value = &(*value)[prompt_];
  }
  if (value == nullptr || value->is_null()) value = &kNone;
  if (!value->is_object()) return all_.refuse("sampling_params", "an object");
  const RequestFields fields(*value, path);
  stream_interval =
      static_cast<int>(TRY(fields.integer("stream_interval", 1, INT32_MAX)).value_or(1));
  return parse_generation_params(fields, Dialect::kNative, context);
}

// One rid for a batch is made one for each of its prompts, so that each can be told and aborted.
Result<std::string> parse_rid(const PromptFields& fields, const RequestFields& all, size_t prompt,
                              bool is_batch, RandomSource& ids) {
  const std::optional<std::string> rid = TRY(fields.name("rid"));
  if (!rid) return ids.next_hex(32);
  const bool is_shared = is_batch && all.find("rid")->is_string();
  return is_shared ? cat(*rid, "_", prompt) : *rid;
}

Result<LogprobOptions> parse_logprobs(const PromptFields& fields, const ServerContext& context) {
  LogprobOptions options;
  options.wanted = TRY(fields.boolean("return_logprob")).value_or(false);
  options.num_top =
      static_cast<int>(TRY(fields.integer("top_logprobs_num", 0, kMaxLogprobs)).value_or(0));
  options.ids =
      TRY(fields.token_ids("token_ids_logprob", kMaxLogprobIds, context.config.vocab_size));
  TRY(check_have_tokens(options.ids, "token_ids_logprob", context));
  const int64_t begin = TRY(fields.integer("logprob_start_len", -1, INT32_MAX)).value_or(-1);
  if (options.wanted && begin >= 0) options.prompt_begin = static_cast<int>(begin);
  return options;
}

// A prompt with all of its own but its ids.
Result<NativePrompt> parse_prompt(const RequestFields& all, size_t index, const RawPrompts& raw,
                                  ServerContext& context) {
  const PromptFields fields(all, index, raw);
  NativePrompt prompt;
  prompt.params = TRY(fields.params(context, prompt.stream_interval));
  TRY(fields.scheduling(prompt.params));
  prompt.id = TRY(parse_rid(fields, all, index, raw.is_batch, context.ids));
  prompt.logprobs = TRY(parse_logprobs(fields, context));
  if (!prompt.logprobs.wanted) return prompt;
  prompt.params.sampling.num_logprobs = prompt.logprobs.num_top;
  prompt.params.sampling.logprob_ids = prompt.logprobs.ids;
  return prompt;
}

// Of two answers of one name nobody could tell which to abort.
Result<void> check_rids_differ(const RequestFields& fields, const NativeRequest& request) {
  std::set<std::string_view> seen;
  for (const NativePrompt& prompt : request.prompts) {
    if (!seen.insert(prompt.id).second)
      return fields.error("rid", cat("rid holds ", shown(Json(prompt.id)),
                                     " twice; expected another for each prompt."));
  }
  return {};
}

size_t num_answers(const NativeRequest& request) {
  size_t count = 0;
  for (const NativePrompt& prompt : request.prompts) count += static_cast<size_t>(prompt.params.n);
  return count;
}

size_t num_scores(const NativeRequest& request) {
  size_t count = 0;
  for (const NativePrompt& prompt : request.prompts) count += prompt.num_scores();
  return count;
}

size_t num_score_pieces(const NativeRequest& request) {
  size_t count = 0;
  for (const NativePrompt& prompt : request.prompts) count += prompt.num_score_pieces();
  return count;
}

Result<void> set_prompts(const RawPrompts& raw, const ServerContext& context,
                         NativeRequest& request) {
  std::vector<SharedTokens> ids = TRY(encode_prompts(raw, context));
  for (size_t i = 0; i < ids.size(); ++i) {
    NativePrompt& prompt = request.prompts[i];
    prompt.ids = std::move(ids[i]);
    std::optional<int>& begin = prompt.logprobs.prompt_begin;
    if (begin && *begin >= static_cast<int>(prompt.ids.size())) begin.reset();
    if (begin) {
      const auto scored = std::span<const TokenId>(prompt.ids).subspan(static_cast<size_t>(*begin));
      TRY(check_have_tokens(scored, "logprob_start_len", context));
    }
  }
  return {};
}

}  // namespace

Result<NativeRequest> parse_native_request(const Json& body, ServerContext& context) {
  const RequestFields fields(body);
  NativeRequest request;
  const RawPrompts raw = TRY(find_native_prompts(fields, context));
  request.prompt_field = raw.field;
  request.is_batch = raw.is_batch;
  for (size_t i = 0; i < raw.prompts.size(); ++i)
    request.prompts.push_back(TRY(parse_prompt(fields, i, raw, context)));
  TRY(check_rids_differ(fields, request));
  TRY(check_num_answers(num_answers(request), "sampling_params"));
  request.return_text_in_logprobs = TRY(fields.boolean("return_text_in_logprobs")).value_or(false);
  request.stream = TRY(fields.boolean("stream")).value_or(false);
  TRY(refuse_unavailable(fields, {"image_data", "audio_data", "video_data", "input_embeds"},
                         kTextOnly));
  TRY(refuse_unavailable(fields, {"custom_logit_processor"}, kNoCode));
  TRY(refuse_sglang_only(fields));
  request.incremental =
      TRY(fields.boolean("incremental")).value_or(context.options.incremental_output);
  TRY(set_prompts(raw, context, request));
  TRY(check_num_sequences(num_answers(request), num_score_pieces(request), "logprob_start_len"));
  TRY(check_num_scores(num_scores(request), "logprob_start_len"));
  return request;
}

}  // namespace glint
