#include "bench/serving/answer_reader.h"

#include "bench/serving/member_scan.h"

namespace glint {

std::vector<double> inter_token_latencies_s(const RequestRecord& record) {
  std::vector<double> gaps;
  for (size_t i = 1; i < record.token_times.size(); ++i) {
    const TokenTime &before = record.token_times[i - 1], &after = record.token_times[i];
    const int count = after.num_tokens - before.num_tokens;
    gaps.insert(gaps.end(), static_cast<size_t>(count), (after.time_s - before.time_s) / count);
  }
  return gaps;
}

void AnswerReader::on_event(std::string_view data, double time_s) {
  record_.end_s = time_s;
  if (data == "[DONE]") return;
  if (api_ == ServingApi::kGenerate) return read_native(data, time_s);
  std::string_view choices, usage;
  for (MemberScan member(data); member.next();) {
    if (member.name() == "choices") choices = member.value();
    if (member.name() == "usage") usage = member.value();
    if (member.name() == "error") read_error(member.value());
  }
  read_choice(first_element(choices), usage, time_s);
}

void AnswerReader::read_native(std::string_view data, double time_s) {
  std::string_view text, meta;
  for (MemberScan member(data); member.next();) {
    if (member.name() == "text") text = string_body(member.value());
    if (member.name() == "meta_info") meta = member.value();
    if (member.name() == "error") read_error(member.value());
  }
  if (incremental_) {
    text_ += text;
  } else if (!text.empty()) {
    text_ = text;
  }
  for (MemberScan member(meta); member.next();) {
    const double value = number_value(member.value()).value_or(0);
    if (member.name() == "completion_tokens") add_tokens(static_cast<int>(value), time_s);
    if (member.name() == "prompt_tokens") record_.server_prompt_len = static_cast<int>(value);
    if (member.name() == "cached_tokens") record_.cached_tokens = static_cast<int>(value);
    if (member.name() == "spec_accept_length") record_.accept_length = value;
  }
}

void AnswerReader::read_choice(std::string_view choice, std::string_view usage, double time_s) {
  std::string_view text = string_body(find_member(choice, "text"));
  if (api_ == ServingApi::kChat) {
    // A streamed chunk has a delta, a whole answer a message.
    std::string_view delta = find_member(choice, "delta");
    if (delta.empty()) delta = find_member(choice, "message");
    text = string_body(find_member(delta, "content"));
    if (text.empty()) text = string_body(find_member(delta, "reasoning_content"));
    if (text.empty()) text = string_body(find_member(delta, "reasoning"));
  }
  const auto counted = number_value(find_member(usage, "completion_tokens"));
  if (counted) tokens_in_usage_ = static_cast<int>(*counted);
  const auto prompt = number_value(find_member(usage, "prompt_tokens"));
  if (prompt) record_.server_prompt_len = static_cast<int>(*prompt);
  const auto cached =
      number_value(find_member(find_member(usage, "prompt_tokens_details"), "cached_tokens"));
  if (cached) record_.cached_tokens = static_cast<int>(*cached);
  if (text.empty()) return;
  text_ += text;
  const int before = record_.token_times.empty() ? 0 : record_.token_times.back().num_tokens;
  add_tokens(counted ? tokens_in_usage_ : before + 1, time_s);
}

// An object with a message, or a sentence.
void AnswerReader::read_error(std::string_view error) {
  if (error == "null") return;
  std::string_view message = string_body(find_member(error, "message"));
  if (message.empty()) message = string_body(error);
  record_.error = message.empty() ? std::string(error) : unescaped(message);
}

void AnswerReader::add_tokens(int num_tokens, double time_s) {
  std::vector<TokenTime>& times = record_.token_times;
  if (num_tokens <= (times.empty() ? 0 : times.back().num_tokens)) return;
  times.push_back({time_s, num_tokens});
  if (text_.empty()) before_text_ = times.size();
}

void AnswerReader::finish(const std::string& error, double time_s) {
  if (record_.error.empty()) record_.error = error;
  if (record_.end_s == 0) record_.end_s = time_s;
  record_.text = unescaped(text_);
  std::vector<TokenTime>& times = record_.token_times;
  if (!text_.empty())
    times.erase(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(before_text_));
  record_.output_len = times.empty() ? 0 : times.back().num_tokens;
  if (api_ != ServingApi::kGenerate)
    record_.output_len = tokens_in_usage_ >= 0 ? tokens_in_usage_ : asked_len_;
  if (!record_.ok()) record_.output_len = 0;
}

}  // namespace glint
