// glint configure: from a few answers to a launch command, its memory and its speed.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/command_line.h"
#include "apps/commands.h"
#include "apps/device.h"
#include "configure/proposal.h"

namespace glint {
namespace {

void show(const Question& question) {
  std::fprintf(stderr, "\n%s. %s\n", question.label.c_str(), question.help.c_str());
  int number = 0;
  for (const AnswerValue& value : question.values) {
    std::fprintf(stderr, "  %d  %s%s%s\n", ++number, value.label.c_str(),
                 value.not_yet.empty() ? "" : "   not yet: ", value.not_yet.c_str());
  }
}

// "2" is the second of the values, unless one of them is called so.
std::string value_named(const Question& question, const std::string& typed) {
  if (check_answer(question, typed) || typed.size() != 1) return typed;
  const auto at = static_cast<size_t>(typed[0] - '1');
  return at < question.values.size() ? question.values[at].value : typed;
}

// An empty line takes the preset; so does the end of the input, for this and all that follow.
std::string ask(const Question& question) {
  show(question);
  for (;;) {
    std::fprintf(stderr, "[%s] > ", question.preset.c_str());
    std::string typed;
    if (!std::getline(std::cin, typed) || typed.empty()) return question.preset;
    const std::string answer = value_named(question, typed);
    const Result<void> fits = check_answer(question, answer);
    if (fits) return answer;
    std::fprintf(stderr, "%s\n", fits.error().message.c_str());
  }
}

Answers ask_all(const std::vector<Question>& questions) {
  std::fputs("Enter takes the answer in brackets.\n", stderr);
  Answers answers;
  for (const Question& question : questions) answers.emplace_back(question.id, ask(question));
  std::fputs("\n", stderr);
  return answers;
}

std::string flag_help(const Question& question) {
  std::string text = question.help + " ";
  for (const AnswerValue& value : question.values)
    text += cat(value.value, value.not_yet.empty() ? "" : " (not yet)", ", ");
  return text + "default: " + question.preset;
}

}  // namespace

int run_configure(int argc, char** argv) {
  const Machine machine = this_machine();
  const std::vector<Question> questions = configure_questions(machine);
  std::map<std::string, std::string> typed;
  bool json = false;
  CLI::App app(
      "Finds the launch command for your GPU and load, with the memory and the speed to expect. "
      "Without flags, on a terminal, it asks.",
      "glint configure");
  for (const Question& question : questions)
    app.add_option("--" + question.id, typed[question.id], flag_help(question));
  app.add_flag("--json", json, "print one JSON object");
  if (const auto status = parse_command_line(app, argc, argv)) return *status;

  Answers answers;
  for (const auto& [id, answer] : typed)
    if (app.count("--" + id) > 0) answers.emplace_back(id, answer);
  if (argc == 1 && isatty(STDIN_FILENO) != 0) answers = ask_all(questions);
  const Result<Setup> setup = read_answers(questions, answers);
  if (!setup) {
    std::fprintf(stderr, "error: --%s\n", setup.error().message.c_str());
    return 2;
  }
  const Proposal proposal = propose(*setup, machine);
  const std::string text =
      json ? to_json_text(proposal_json(proposal)) + "\n" : proposal_text(proposal);
  std::fputs(text.c_str(), stdout);
  return proposal.problems.empty() ? 0 : 1;
}

}  // namespace glint
