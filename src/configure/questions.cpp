#include "configure/questions.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace glint {
namespace {

constexpr const char* kSeveralGpus = "several GPUs are not available yet";

std::string gpu_value(const GpuInfo& gpu) {
  std::string value(gpu.short_name);
  for (char& c : value)
    c = c == ' ' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return value;
}

std::string gpu_not_yet(const GpuInfo& gpu) {
  if (gpu.compute_capability == 90) return "";
  return cat(gpu.short_name, ": the kernels are for Hopper GPUs (H100, H200)");
}

Question gpu_question(const Machine& machine) {
  Question question{
      .id = "hardware",
      .label = "GPU",
      .help = "Its memory decides how many tokens fit, its bandwidth how fast they come.",
      .values = {},
      .preset = gpu_value(gpu_table().front())};
  const GpuInfo* found = find_gpu(machine.gpu_name);
  for (const GpuInfo& gpu : gpu_table()) {
    const std::string here = &gpu == found ? ", found here" : "";
    question.values.push_back(
        {.value = gpu_value(gpu),
         .label = cat(gpu.short_name, ", ", gpu.memory_bytes >> 30, " GiB", here),
         .not_yet = gpu_not_yet(gpu)});
    if (&gpu == found) question.preset = gpu_value(gpu);
  }
  return question;
}

Question count_question(const char* id, const char* label, const char* help) {
  Question question{.id = id, .label = label, .help = help, .values = {}, .preset = "1"};
  for (const int n : {1, 2, 4, 8})
    question.values.push_back({.value = std::to_string(n),
                               .label = std::to_string(n),
                               .not_yet = n == 1 ? "" : kSeveralGpus});
  return question;
}

Question switch_question(const char* id, const char* label, const char* help, bool preset,
                         const char* not_yet = "") {
  return {.id = id,
          .label = label,
          .help = help,
          .values = {{.value = "on", .label = "On", .not_yet = not_yet},
                     {.value = "off", .label = "Off", .not_yet = ""}},
          .preset = preset ? "on" : "off"};
}

Question number_question(const char* id, const char* label, const char* help, int least, int most,
                         int preset) {
  return {.id = id,
          .label = label,
          .help = help,
          .values = {},
          .least = least,
          .most = most,
          .preset = std::to_string(preset)};
}

Question quantization_question() {
  return {
      .id = "quantization",
      .label = "Weights",
      .help = "BF16 is what the checkpoint holds; FP8 halves the bytes of each step.",
      .values = {{.value = "bf16", .label = "BF16", .not_yet = ""},
                 {.value = "fp8", .label = "FP8", .not_yet = "FP8 weights are not available yet"}},
      .preset = "bf16"};
}

Question listen_question() {
  return {
      .id = "listen",
      .label = "Listen to",
      .help = "Whoever reaches the port may use it, unless --api-key names the keys to be shown.",
      .values = {{.value = "local", .label = "This machine", .not_yet = ""},
                 {.value = "network", .label = "The network", .not_yet = ""}},
      .preset = "local"};
}

// "16384", "16,384" and "16k" are not all the same thing everywhere: digits only.
std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

const AnswerValue* find_value(const Question& question, std::string_view answer) {
  const auto found = std::ranges::find(question.values, answer, &AnswerValue::value);
  return found == question.values.end() ? nullptr : &*found;
}

std::string expectation(const Question& question) {
  if (question.is_number())
    return cat("a whole number from ", question.least, " to ", question.most);
  std::string names;
  for (const AnswerValue& value : question.values) {
    const bool is_last = &value == &question.values.back();
    names += cat(names.empty() ? "" : is_last ? " or " : ", ", value.value);
  }
  return names.empty() ? "some text" : names;
}

// An answer to every question, in their order.
class Complete {
 public:
  Complete(const std::vector<Question>& questions, const Answers& answers)
      : questions_(questions), answers_(answers) {}

  std::string_view operator[](std::string_view id) const {
    for (auto at = answers_.rbegin(); at != answers_.rend(); ++at)  // the last one counts
      if (at->first == id) return at->second;
    return std::ranges::find(questions_, id, &Question::id)->preset;
  }
  int number(std::string_view id) const { return *number_of((*this)[id]); }
  bool is(std::string_view id, std::string_view value) const { return (*this)[id] == value; }

 private:
  const std::vector<Question>& questions_;
  const Answers& answers_;
};

}  // namespace

std::vector<Question> configure_questions(const Machine& machine) {
  return {
      gpu_question(machine),
      quantization_question(),
      count_question("tp", "Tensor parallel", "So many GPUs share one copy of the model."),
      count_question("dp", "Data parallel", "So many copies of the model, each with its own GPUs."),
      switch_question("mtp", "MTP speculation",
                      "The model's own next-token layer drafts tokens that a step then verifies.",
                      /*preset=*/false,
                      "MTP speculation is not available yet: its flags do nothing"),
      switch_question("reasoning", "Reasoning parser",
                      "On: thoughts come as reasoning_content. Off: they stay in the content.",
                      /*preset=*/true),
      switch_question("tools", "Tool-call parser",
                      "On: tool calls come as tool_calls. Off: their markup stays in the content.",
                      /*preset=*/true),
      number_question("concurrency", "Requests at once", "How many answers are under way at most.",
                      1, 100'000, 16),
      number_question("context", "Tokens of a request",
                      "Prompt and answer together; thinking counts.", 1, 10'000'000, 16'384),
      listen_question(),
      number_question("port", "Port", "Where the server answers.", 1, 65'535, 30'000),
      {.id = "model",
       .label = "Model",
       .help = "A Hugging Face folder, or an id in the local cache; the sums are for "
               "GLM-4.7-Flash's sizes.",
       .values = {},
       .preset = "zai-org/GLM-4.7-Flash"},
  };
}

Result<void> check_answer(const Question& question, std::string_view answer) {
  const std::optional<int> number = number_of(answer);
  const bool fits = question.is_number()
                        ? number && *number >= question.least && *number <= question.most
                    : question.values.empty() ? !answer.empty()
                                              : find_value(question, answer) != nullptr;
  if (fits) return {};
  return Error{ErrorCode::kInvalidRequest,
               cat(question.id, " is \"", answer, "\"; expected ", expectation(question), "."),
               question.id};
}

Result<Setup> read_answers(const std::vector<Question>& questions, const Answers& answers) {
  Setup setup;
  for (const auto& [id, answer] : answers) {
    if (std::ranges::find(questions, id, &Question::id) == questions.end())
      return Error{ErrorCode::kInvalidRequest, cat("there is no question \"", id, "\"."), id};
  }
  const Complete complete(questions, answers);
  for (const Question& question : questions) {
    TRY(check_answer(question, complete[question.id]));
    const AnswerValue* value = find_value(question, complete[question.id]);
    if (value == nullptr || value->not_yet.empty()) continue;
    if (std::ranges::find(setup.not_yet, value->not_yet) == setup.not_yet.end())
      setup.not_yet.push_back(value->not_yet);
  }
  setup.gpu = &*std::ranges::find_if(
      gpu_table(), [&](const GpuInfo& gpu) { return gpu_value(gpu) == complete["hardware"]; });
  setup.fp8 = complete.is("quantization", "fp8");
  setup.tp = complete.number("tp");
  setup.dp = complete.number("dp");
  setup.mtp = complete.is("mtp", "on");
  setup.reasoning_parser = complete.is("reasoning", "on");
  setup.tool_call_parser = complete.is("tools", "on");
  setup.concurrency = complete.number("concurrency");
  setup.context = complete.number("context");
  setup.listens_to_network = complete.is("listen", "network");
  setup.port = complete.number("port");
  setup.model = complete["model"];
  return setup;
}

}  // namespace glint
