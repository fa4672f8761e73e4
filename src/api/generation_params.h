#pragma once

// The fields that all endpoints share: how to sample, when to stop, how many choices.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/preferred_params.h"
#include "api/repetition.h"
#include "api/request_fields.h"
#include "api/server_context.h"
#include "api/stop_regex.h"
#include "base/result.h"
#include "engine/request.h"
#include "sampling/params.h"

namespace glint {

// One table with docs/limits.md, which has those of sampling/params.h too.
inline constexpr int kMaxChoices = 128;     // n
inline constexpr int kMaxPrompts = 1024;    // prompts in one request
inline constexpr int kMaxSequences = 1024;  // prompts times n
inline constexpr int kMaxStopStrings = 128;
inline constexpr int kMaxStopStringBytes = 1024;
inline constexpr int kMaxStopRegexes = 16;
inline constexpr int kMaxStopRegexBytes = 1024;
inline constexpr int kMaxStopIds = kMaxStopTokenIds / 2;  // the rest is for the model's own
inline constexpr int kMaxPatternSize = 512;  // of repetition_detection: a step each, every token
inline constexpr int kMaxNameBytes = 1024;   // rid, model: every chunk repeats them

// How ids become text.
struct TextOptions {
  std::vector<std::string> stop;
  std::shared_ptr<const StopRegexes> stop_regex;  // null: none
  bool skip_special_tokens = true;
  bool no_stop_trim = false;  // what stopped the text stays in it
  RepetitionLimits repetition{};
  int stream_interval = 1;  // tokens in one piece of a stream, after the first
};

struct GenerationParams {
  SamplingParams sampling;        // with stop ids and a seed
  std::optional<int> max_tokens;  // as the request has it
  std::string max_tokens_field;   // and where
  int n = 1;
  TextOptions text;
  int priority = 0;
  uint64_t cache_namespace = 0;
};

Result<GenerationParams> parse_generation_params(const RequestFields& fields, Dialect dialect,
                                                 ServerContext& context);

// Whether a request of /generate could have these sampling_params, for some model.
Result<void> check_generation_fields(const RequestFields& fields);

// priority, extra_key and cache_salt, which stand outside sampling_params in both dialects.
Result<void> parse_scheduling(const RequestFields& fields, GenerationParams& params);

// What a refusal says behind the field's name: of what may come, and of what will not.
inline constexpr std::string_view kNotYet = " is not available yet: leave it out.";
inline constexpr std::string_view kTextOnly = " is set; this model takes text input only.";
inline constexpr std::string_view kNoCode = " is code, and this server runs none: leave it out.";
inline constexpr std::string_view kOwnTemplate =
    " is set; this server has the model's own template only: leave it out.";
inline constexpr std::string_view kNoDocuments =
    " has no place in the model's template: put it into the messages.";
inline constexpr std::string_view kNoSessions =
    " is set; this server keeps no sessions: send the whole prompt, whose beginning is cached.";

// Refuses those of `names` that ask for something: not null, false, 0, empty, or a list of null and
// false.
Result<void> refuse_unavailable(const RequestFields& fields,
                                std::initializer_list<std::string_view> names,
                                std::string_view why = kNotYet);

// Refuses those of `names` that are there: {} is a schema too, and free text no answer to it.
Result<void> refuse_grammars(const RequestFields& fields,
                             std::initializer_list<std::string_view> names);

// Refuses what SGLang's requests can have and this server cannot do: adapters, sessions, what
// belongs to several machines, and a model's inner states.
Result<void> refuse_sglang_only(const RequestFields& fields);

// A name that answers repeat: rid or model. Nothing if absent or empty.
Result<std::optional<std::string>> parse_name(const RequestFields& fields, std::string_view name);
Result<void> check_name_size(const RequestFields& fields, std::string_view name,
                             const std::string& value);

// `num_tokens` as the sentence has it: "2048", "more than 4096".
Error input_too_long(std::string_view num_tokens, std::string_view prompt_param,
                     const ServerContext& context);

// Prompts times n, refused above kMaxSequences.
Result<void> check_num_answers(size_t num_answers, std::string_view param);

// One GenerateRequest for each prompt and choice, prompt-major. An unset max_tokens becomes
// `default_max_tokens`, as far as the context allows; nothing: as far as context and pool allow.
// Refuses what the context cannot hold; with --allow-auto-truncate, where prompts were cut before
// (api/prompts.h), a larger max_tokens is lowered instead. `prompt_param` is the field that holds
// the prompts.
Result<std::vector<GenerateRequest>> make_requests(const std::vector<SharedTokens>& prompts,
                                                   const GenerationParams& params,
                                                   std::optional<int> default_max_tokens,
                                                   std::string_view prompt_param,
                                                   const ServerContext& context);

}  // namespace glint
