#include "api/generation_params.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>

#include "api/errors.h"
#include "base/planted_bug.h"
#include "scheduler/admission.h"

namespace glint {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int>::max();

struct Names {
  std::vector<std::string_view> max_tokens;  // the first that is set counts
  std::string_view min_tokens = "min_tokens";
  std::string_view seed = "seed";
  std::string_view stop = "stop";
  std::string_view repetition_penalty = "repetition_penalty";
};

// What the model and the server's flags say where a request does not.
struct ModelDefaults {
  GenerationConfig generation;
  std::vector<TokenId> stop_token_ids;
  int vocab_size = std::numeric_limits<int>::max();
  int stream_interval = 1;
};

Names names_of(Dialect dialect) {
  switch (dialect) {
    case Dialect::kOpenAi:
      return {.max_tokens = {"max_completion_tokens", "max_tokens"}};
    case Dialect::kResponses:
      return {.max_tokens = {"max_output_tokens"}};
    case Dialect::kNative:
      return {.max_tokens = {"max_new_tokens"},
              .min_tokens = "min_new_tokens",
              .seed = "sampling_seed"};
    case Dialect::kAnthropic:
      return {.max_tokens = {"max_tokens"}, .stop = "stop_sequences"};
    case Dialect::kOllama:
      return {.max_tokens = {"num_predict"}, .repetition_penalty = "repeat_penalty"};
  }
  return {};
}

Result<void> read_filters(const RequestFields& fields, const GenerationConfig& defaults,
                          SamplingParams& sampling) {
  const SamplingParams neutral;
  sampling.temperature = TRY(fields.number("temperature"))
                             .value_or(defaults.temperature.value_or(neutral.temperature));
  sampling.top_p = TRY(fields.number("top_p")).value_or(defaults.top_p.value_or(neutral.top_p));
  sampling.min_p = TRY(fields.number("min_p")).value_or(defaults.min_p.value_or(neutral.min_p));
  const auto top_k = TRY(fields.integer("top_k", -kMaxInt, kMaxInt));
  sampling.top_k = top_k ? static_cast<int>(*top_k) : defaults.top_k.value_or(neutral.top_k);
  if (sampling.top_k == 0) sampling.top_k = neutral.top_k;  // as vLLM and transformers say "off"
  return {};
}

Result<void> read_penalties(const RequestFields& fields, const Names& names,
                            const GenerationConfig& defaults, SamplingParams& sampling) {
  sampling.frequency_penalty = TRY(fields.number("frequency_penalty")).value_or(0.0f);
  sampling.presence_penalty = TRY(fields.number("presence_penalty")).value_or(0.0f);
  sampling.repetition_penalty = TRY(fields.number(names.repetition_penalty))
                                    .value_or(defaults.repetition_penalty.value_or(1.0f));
  return {};
}

Result<void> read_logit_bias(const RequestFields& fields, int vocab_size,
                             SamplingParams& sampling) {
  const Json* biases = TRY(fields.object("logit_bias"));
  if (biases == nullptr) return {};
  if (biases->size() > kMaxLogitBiases)
    return fields.error("logit_bias", cat("logit_bias has ", biases->size(), " entries; at most ",
                                          kMaxLogitBiases, " are allowed."));
  const RequestFields entries(*biases, fields.path_of("logit_bias"));
  for (const auto& [key, value] : biases->items()) {
    TokenId id = -1;
    const auto [end, status] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (status != std::errc() || end != key.data() + key.size() || id < 0 || id >= vocab_size) {
      return fields.error(
          "logit_bias", cat("logit_bias has the key \"", key, "\"; expected a token id from 0 to ",
                            vocab_size - 1, "."));
    }
    if (const auto bias = TRY(entries.number(key))) sampling.logit_bias.emplace_back(id, *bias);
  }
  return {};
}

// What text may be stopped at: strings or patterns.
Result<std::vector<std::string>> read_stops(const RequestFields& fields, std::string_view name,
                                            size_t max_stops, size_t max_bytes) {
  std::vector<std::string> stops = TRY(fields.strings(name));
  if (stops.size() > max_stops)
    return fields.error(name, cat(fields.path_of(name), " has ", stops.size(), " strings; at most ",
                                  max_stops, " are allowed."));
  for (const std::string& stop : stops) {
    if (stop.size() > max_bytes)
      return fields.error(name, cat(fields.path_of(name), " has a string of ", stop.size(),
                                    " bytes; at most ", max_bytes, " are allowed."));
  }
  std::erase(stops, "");  // SGLang's clients send "" for none
  return stops;
}

Result<void> read_stop_regex(const RequestFields& fields, TextOptions& text) {
  auto patterns = TRY(read_stops(fields, "stop_regex", kMaxStopRegexes, kMaxStopRegexBytes));
  if (patterns.empty()) return {};
  auto regexes = StopRegexes::compile(std::move(patterns));
  if (!regexes)
    return fields.error("stop_regex",
                        cat(fields.path_of("stop_regex"), " ", regexes.error().message));
  text.stop_regex = *std::move(regexes);
  return {};
}

Result<void> read_stop_ids(const RequestFields& fields, const ModelDefaults& model,
                           GenerationParams& params) {
  const bool ignore_eos = TRY(fields.boolean("ignore_eos")).value_or(false);
  std::vector<TokenId>& ids = params.sampling.stop_token_ids;
  if (!ignore_eos) ids = model.stop_token_ids;
  const auto more = TRY(fields.integers("stop_token_ids", 0, model.vocab_size - 1));
  if (more.size() > kMaxStopIds)
    return fields.error("stop_token_ids", cat("stop_token_ids has ", more.size(),
                                              " entries; at most ", kMaxStopIds, " are allowed."));
  for (const int64_t id : more) ids.push_back(static_cast<TokenId>(id));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return {};
}

Result<void> read_lengths(const RequestFields& fields, const Names& names,
                          GenerationParams& params) {
  for (const std::string_view name : names.max_tokens) {
    const auto value = TRY(fields.integer(name, 0, kMaxInt));
    if (!value || params.max_tokens) continue;
    params.max_tokens = static_cast<int>(*value);
    params.max_tokens_field = fields.path_of(name);
  }
  const int64_t min_tokens = TRY(fields.integer(names.min_tokens, 0, kMaxInt)).value_or(0);
  const bool checked = !planted(PlantedBug::kMinTokensUnchecked);
  if (checked && params.max_tokens && min_tokens > *params.max_tokens) {
    return fields.error(names.min_tokens,
                        cat(fields.path_of(names.min_tokens), " is ", min_tokens,
                            ", more than the most tokens allowed, ", *params.max_tokens, "."));
  }
  params.sampling.min_tokens = static_cast<int>(min_tokens);
  params.n = static_cast<int>(TRY(fields.integer("n", 1, kMaxChoices)).value_or(1));
  return {};
}

// A seed is a name for a stream of random numbers: any 64 bits will do.
Result<uint64_t> read_seed(const RequestFields& fields, std::string_view name,
                           ServerContext& context) {
  const Json* value = fields.find(name);
  if (value == nullptr)
    return context.options.deterministic ? context.options.random_seed : context.seeds.next();
  if (value->is_number_unsigned()) return value->get<uint64_t>();
  if (const auto number = whole_number(*value)) return static_cast<uint64_t>(*number);
  return fields.refuse(name, "a whole number of at most 64 bits");
}

// All three fields are 0 in vLLM's clients where nothing is to be detected: that is said, not left
// out.
Result<RepetitionLimits> read_repetition(const RequestFields& fields) {
  RepetitionLimits limits;
  const Json* object = TRY(fields.object("repetition_detection"));
  if (object == nullptr) return limits;
  const RequestFields nested(*object, fields.path_of("repetition_detection"));
  if (nested.find("max_pattern_size") == nullptr)
    return nested.refuse("max_pattern_size", cat("a whole number from 0 to ", kMaxPatternSize));
  const int max =
      static_cast<int>(TRY(nested.integer("max_pattern_size", 0, kMaxPatternSize)).value_or(0));
  const int min = static_cast<int>(TRY(nested.integer("min_pattern_size", 0, kMaxInt)).value_or(0));
  const int count = static_cast<int>(TRY(nested.integer("min_count", 0, kMaxInt)).value_or(0));
  if (max == 0) return limits;
  if (min > max) return nested.refuse("min_pattern_size", cat("at most max_pattern_size, ", max));
  if (count < 2) return nested.refuse("min_count", "2 or more");
  return RepetitionLimits{
      .max_pattern_size = max, .min_pattern_size = std::max(min, 1), .min_count = count};
}

bool asks_for_something(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  if (value.is_object()) return !value.empty();
  // Of a batch, one value for each prompt.
  if (value.is_array())
    return std::any_of(value.begin(), value.end(),
                       [](const Json& one) { return !one.is_null() && one != Json(false); });
  return value != Json(0);
}

// The sampler's refusal, with the field as the client wrote it: options.repeat_penalty.
Error as_sent(Error error, const RequestFields& fields, const Names& names) {
  const std::string name(error.param == "repetition_penalty" ? names.repetition_penalty
                                                             : std::string_view(error.param));
  if (error.message.starts_with(error.param))
    error.message.replace(0, error.param.size(), fields.path_of(name));
  return fields.error(name, std::move(error.message));
}

// All but the seed.
Result<GenerationParams> read_params(const RequestFields& fields, const Names& names,
                                     const ModelDefaults& model) {
  GenerationParams params;
  TRY(read_filters(fields, model.generation, params.sampling));
  TRY(read_penalties(fields, names, model.generation, params.sampling));
  TRY(read_logit_bias(fields, model.vocab_size, params.sampling));
  TRY(read_lengths(fields, names, params));
  TRY(read_stop_ids(fields, model, params));
  TextOptions& text = params.text;
  text.stop = TRY(read_stops(fields, names.stop, kMaxStopStrings, kMaxStopStringBytes));
  text.repetition = TRY(read_repetition(fields));
  text.skip_special_tokens = TRY(fields.boolean("skip_special_tokens")).value_or(true);
  for (const char* name : {"no_stop_trim", "include_stop_str_in_output"})  // SGLang's, vLLM's
    text.no_stop_trim |= TRY(fields.boolean(name)).value_or(false);
  text.stream_interval = static_cast<int>(
      TRY(fields.integer("stream_interval", 1, kMaxInt)).value_or(model.stream_interval));
  if (Result<void> valid = validate(params.sampling, model.vocab_size); !valid)
    return as_sent(valid.error(), fields, names);
  return params;
}

Result<void> check_context(size_t prompt_tokens, const GenerationParams& params,
                           std::string_view prompt_param, const ServerContext& context) {
  const auto prompt = static_cast<int64_t>(prompt_tokens);
  const int context_length = context.limits.context_length;
  if (prompt >= context_length)
    return input_too_long(std::to_string(prompt), prompt_param, context);
  const int max_tokens = params.max_tokens.value_or(0);
  if (prompt + max_tokens > context_length && !context.options.allow_auto_truncate) {
    return Error{ErrorCode::kInvalidRequest,
                 cat("Requested token count ", kRequestOverContext, " of ", context_length,
                     " tokens. You requested a total of ", prompt + max_tokens, " tokens: ", prompt,
                     " tokens from the input messages and ", max_tokens,
                     " tokens for the completion. Please reduce the number of tokens in the input "
                     "messages or the completion to fit within the limit."),
                 params.max_tokens_field};
  }
  return {};
}

// The tokens that the request may get. What the cache can never hold is refused by the engine, too,
// which does not know the fields' names.
Result<int> check_room(size_t prompt_tokens, const GenerationParams& params,
                       std::string_view prompt_param, const ServerContext& context) {
  int wanted = params.max_tokens.value_or(GenerateRequest::kMaxTokensUnset);
  const int64_t room = max_prompt_tokens(context.limits) + 1 - static_cast<int64_t>(prompt_tokens);
  if (context.options.allow_auto_truncate && wanted > room) wanted = static_cast<int>(room);
  Result<int> max_tokens =
      admitted_max_tokens(context.limits, static_cast<int>(prompt_tokens), wanted);
  if (max_tokens) return max_tokens;
  Error error = std::move(max_tokens.error());
  error.param = error.param == "prompt" ? std::string(prompt_param) : params.max_tokens_field;
  return error;
}

}  // namespace

Result<GenerationParams> parse_generation_params(const RequestFields& request, Dialect dialect,
                                                 ServerContext& context) {
  const Names names = names_of(dialect);
  const RequestFields fields = request.over(context.options.preferred.in(dialect));
  GenerationParams params = TRY(read_params(fields, names,
                                            {.generation = context.generation_config,
                                             .stop_token_ids = context.stop_token_ids,
                                             .vocab_size = context.config.vocab_size,
                                             .stream_interval = context.options.stream_interval}));
  params.sampling.seed = TRY(read_seed(fields, names.seed, context));
  if (dialect == Dialect::kOpenAi || dialect == Dialect::kNative)
    TRY(read_stop_regex(fields, params.text));
  else
    TRY(refuse_unavailable(fields, {"stop_regex"}));
  TRY(refuse_grammars(fields,
                      {"regex", "ebnf", "json_schema", "structural_tag", "structured_outputs",
                       "guided_json", "guided_regex", "guided_choice", "guided_grammar"}));
  TRY(refuse_unavailable(
      fields, {"allowed_token_ids", "bad_words", "use_beam_search", "truncate_prompt_tokens"}));
  // Beside a chat's thinking_budget it has nothing to do: the chat's parser asks for itself.
  if (dialect == Dialect::kNative)
    TRY(refuse_unavailable(fields, {"custom_logit_processor"}, kNoCode));
  return params;
}

Result<void> check_generation_fields(const RequestFields& fields) {
  TRY(read_params(fields, names_of(Dialect::kNative), {}));
  return {};
}

Result<void> parse_scheduling(const RequestFields& fields, GenerationParams& params) {
  params.priority =
      static_cast<int>(TRY(fields.integer("priority", -kMaxInt, kMaxInt)).value_or(0));
  const std::string extra_key = TRY(fields.string("extra_key")).value_or("");
  const std::string cache_salt = TRY(fields.string("cache_salt")).value_or("");
  if (!extra_key.empty() || !cache_salt.empty())
    params.cache_namespace =
        std::hash<std::string>()(cat(extra_key.size(), ":", extra_key, cache_salt));
  return {};
}

Result<std::optional<std::string>> parse_name(const RequestFields& fields, std::string_view name) {
  auto value = TRY(fields.string(name));
  if (!value || value->empty()) return std::optional<std::string>();
  TRY(check_name_size(fields, name, *value));
  return value;
}

Result<void> check_name_size(const RequestFields& fields, std::string_view name,
                             const std::string& value) {
  if (value.size() <= kMaxNameBytes) return {};
  return fields.error(name, cat(fields.path_of(name), " has ", value.size(), " bytes; at most ",
                                kMaxNameBytes, " are allowed."));
}

Result<void> refuse_unavailable(const RequestFields& fields,
                                std::initializer_list<std::string_view> names,
                                std::string_view why) {
  for (const std::string_view name : names) {
    const Json* value = fields.find(name);
    if (value != nullptr && asks_for_something(*value))
      return fields.error(name, cat(fields.path_of(name), why));
  }
  return {};
}

Result<void> refuse_grammars(const RequestFields& fields,
                             std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (fields.find(name) != nullptr) return fields.error(name, cat(fields.path_of(name), kNotYet));
  return {};
}

Result<void> refuse_sglang_only(const RequestFields& fields) {
  TRY(refuse_unavailable(fields, {"session_params"}, kNoSessions));
  return refuse_unavailable(
      fields, {"lora_path", "return_hidden_states", "return_routed_experts", "bootstrap_host",
               "bootstrap_port", "bootstrap_room", "routed_dp_rank", "data_parallel_rank",
               "disagg_prefill_dp_rank"});
}

Error input_too_long(std::string_view num_tokens, std::string_view prompt_param,
                     const ServerContext& context) {
  return {ErrorCode::kInvalidRequest,
          cat("The input (", num_tokens, " tokens) ", kInputOverContext, " (",
              context.limits.context_length, " tokens). Shorten it."),
          std::string(prompt_param)};
}

Result<void> check_num_answers(size_t num_answers, std::string_view param) {
  if (num_answers <= kMaxSequences) return {};
  return Error{ErrorCode::kInvalidRequest,
               cat("The request asks for ", num_answers, " answers (prompts times n); at most ",
                   kMaxSequences, " are allowed."),
               std::string(param)};
}

Result<std::vector<GenerateRequest>> make_requests(const std::vector<SharedTokens>& prompts,
                                                   const GenerationParams& params,
                                                   std::optional<int> default_max_tokens,
                                                   std::string_view prompt_param,
                                                   const ServerContext& context) {
  std::vector<GenerateRequest> requests;
  requests.reserve(prompts.size() * static_cast<size_t>(params.n));
  for (const SharedTokens& prompt : prompts) {
    TRY(check_context(prompt.size(), params, prompt_param, context));
    int max_tokens = TRY(check_room(prompt.size(), params, prompt_param, context));
    if (!params.max_tokens && default_max_tokens)
      max_tokens = std::min(max_tokens, *default_max_tokens);
    for (int choice = 0; choice < params.n; ++choice) {
      GenerateRequest request;
      request.prompt = prompt;
      request.max_tokens = max_tokens;
      request.sampling = params.sampling;
      request.sampling.choice = choice;
      request.priority = params.priority;
      request.cache_namespace = params.cache_namespace;
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

}  // namespace glint
