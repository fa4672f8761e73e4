#include "apps/conversation.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "apps/answer_printer.h"
#include "client/api_key.h"
#include "client/http_client.h"
#include "client/refusal.h"

namespace glint {
namespace {

// The member if it is a string, else "": null stands for no text.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// One answer: shown as it comes, and kept for the next turn.
class Answer {
 public:
  void take(const Json& chunk) {
    if (!chunk.contains("choices") || chunk["choices"].empty()) return;
    const Json& choice = chunk["choices"][0];
    const Json delta = choice.value("delta", Json::object());
    if (const std::string text = text_of(delta, "reasoning_content"); !text.empty()) {
      printer_.reasoning(text);
      reasoning_ += text;
    }
    if (const std::string text = text_of(delta, "content"); !text.empty()) {
      printer_.content(text);
      content_ += text;
    }
    if (delta.contains("tool_calls")) take_calls(delta["tool_calls"]);
    is_whole_ |= text_of(choice, "finish_reason") == "tool_calls";
  }
  void finish() { printer_.finish(); }

  // The calls that want a result: none of an answer that was stopped inside one.
  Json calls() const { return is_whole_ ? calls_ : Json::array(); }

  Json message() const {
    Json message = {
        {"role", "assistant"}, {"content", content_}, {"reasoning_content", reasoning_}};
    if (is_whole_) message["tool_calls"] = calls_;
    return message;
  }

 private:
  void take_calls(const Json& deltas) {
    for (const Json& delta : deltas) {
      const Json function = delta.value("function", Json::object());
      if (const std::string name = text_of(function, "name"); !name.empty()) {
        printer_.call(name);
        calls_.push_back({{"id", delta.value("id", Json())},
                          {"type", "function"},
                          {"function", {{"name", name}, {"arguments", ""}}}});
      }
      const std::string fragment = text_of(function, "arguments");
      if (calls_.empty()) continue;
      printer_.arguments(fragment);
      calls_.back()["function"]["arguments"].get_ref<std::string&>() += fragment;
    }
  }

  AnswerPrinter printer_;
  std::string reasoning_, content_;
  Json calls_ = Json::array();
  bool is_whole_ = false;
};

// Ctrl-C, taken by a thread: it cancels the answer under way, or else leaves.
class Interrupts {
 public:
  explicit Interrupts(HttpClient& client) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    std::thread([this, &client, signals] {
      for (int signal = 0; sigwait(&signals, &signal) == 0;) {
        if (!answering_) leave();
        client.cancel();
      }
    }).detach();
  }
  void set_answering(bool answering) { answering_ = answering; }

 private:
  [[noreturn]] static void leave() {
    std::fprintf(stderr, "\n");
    _exit(0);
  }
  std::atomic<bool> answering_ = false;
};

// What the server and we have said so far, and how it goes on.
class Conversation {
 public:
  Conversation(const ConversationOptions& options, std::string url)
      : options_(options), url_(std::move(url) + "/v1/chat/completions") {
    if (!options.system.empty()) add({{"role", "system"}, {"content", options.system}});
  }

  Result<void> run() {
    if (is_terminal_)
      std::fprintf(stderr, "Ctrl-C stops an answer, Ctrl-D ends the conversation.\n");
    for (std::string line; std::cin && read("\n> ", line);) {
      if (line.empty()) continue;
      const Json said_before = messages_;
      add({{"role", "user"}, {"content", line}});
      const Result<void> answered = answer_with_calls();
      if (answered) continue;
      if (!is_terminal_) return answered;
      // Whoever types may say it otherwise, and keeps what was said before.
      std::fprintf(stderr, "error: %s\n", answered.error().message.c_str());
      messages_ = said_before;
    }
    return {};
  }

 private:
  void add(Json message) { messages_.push_back(std::move(message)); }

  // A line of stdin, shown where nobody types it; false at the end.
  bool read(const std::string& prompt, std::string& line) {
    if (is_terminal_) std::fputs(prompt.c_str(), stderr);
    if (!std::getline(std::cin, line)) {
      if (is_terminal_) std::fputs("\n", stderr);
      return false;
    }
    if (!is_terminal_) std::fprintf(stderr, "%s%s\n", prompt.c_str(), line.c_str());
    return true;
  }

  // We have no tools to run: whoever types says what came out.
  bool read_results(const Json& calls) {
    for (const Json& call : calls) {
      std::string line;
      if (!read(cat("\nresult of ", text_of(call["function"], "name"), "> "), line)) return false;
      add({{"role", "tool"}, {"tool_call_id", call["id"]}, {"content", line}});
    }
    return true;
  }

  Result<void> answer_with_calls() {
    for (Json calls = TRY(answer()); !calls.empty(); calls = TRY(answer()))
      if (!read_results(calls)) return {};
    return {};
  }

  // Asks for the next message and adds it; gives the calls in it.
  Result<Json> answer() {
    Answer answer;
    std::string failure;  // within the stream
    interrupts().set_answering(true);
    const Result<void> answered =
        client().post_stream(url_, api_key_headers(), request_body(), [&](const SseEvent& event) {
          if (event.data == "[DONE]") return;
          const Result<Json> chunk = parse_json(event.data);
          if (!chunk) return;
          if (chunk->contains("error")) {
            failure = server_message(event.data);
          } else {
            answer.take(*chunk);
          }
        });
    interrupts().set_answering(false);
    answer.finish();
    if (!failure.empty()) return Error{ErrorCode::kInternal, failure};
    if (!answered && answered.error().code != ErrorCode::kCancelled) return answered.error();
    add(answer.message());
    return answer.calls();
  }

  std::string request_body() const {
    Json body = {{"messages", messages_}, {"stream", true}, {"max_tokens", options_.max_tokens}};
    if (!options_.tools.empty()) body["tools"] = options_.tools;
    if (options_.temperature) body["temperature"] = *options_.temperature;
    if (options_.no_thinking) body["chat_template_kwargs"] = {{"enable_thinking", false}};
    return to_json_text(body);
  }

  // Both outlive the thread that waits for Ctrl-C.
  static HttpClient& client() {
    static HttpClient client;
    return client;
  }
  static Interrupts& interrupts() {
    static Interrupts interrupts(client());
    return interrupts;
  }

  const ConversationOptions& options_;
  const std::string url_;
  const bool is_terminal_ = isatty(STDIN_FILENO) == 1;
  Json messages_ = Json::array();
};

}  // namespace

Result<void> converse(const ConversationOptions& options, const std::string& url) {
  return Conversation(options, url).run();
}

}  // namespace glint
