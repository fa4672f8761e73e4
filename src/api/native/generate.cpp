#include "api/native/generate.h"

#include <iterator>
#include <utility>

#include "api/errors.h"
#include "api/native/native_writer.h"
#include "api/request_fields.h"
#include "api/stream.h"

namespace glint {
namespace {

constexpr int kDefaultMaxNewTokens = 128;  // SGLang 0.5.7, SamplingParams

// The sequences of a request, in the order that the writer expects, with what each needs.
struct Sequences {
  std::vector<GenerateRequest> requests;
  std::vector<TextOptions> texts;
  std::vector<std::string> rids;

  void add(std::vector<GenerateRequest> more, const TextOptions& text, const std::string& rid) {
    texts.insert(texts.end(), more.size(), text);
    rids.insert(rids.end(), more.size(), rid);
    requests.insert(requests.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
  }
};

Result<void> start(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& http = exchange->request();
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  NativeRequest request = TRY(parse_native_request(body, context));
  Sequences sequences;
  for (const NativePrompt& prompt : request.prompts) {
    sequences.add(TRY(make_requests({prompt.ids}, prompt.params, kDefaultMaxNewTokens,
                                    request.prompt_field, context)),
                  prompt.params.text, prompt.id);
    sequences.add(prompt.score_requests(), TextOptions{}, prompt.id);
  }
  return Answer::start(context, exchange, std::move(sequences.requests), sequences.texts,
                       sequences.rids, make_native_writer(context, exchange, std::move(request)));
}

}  // namespace

void handle_generate(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> started = start(context, exchange);
  if (!started) exchange->respond(error_response(started.error()));
}

}  // namespace glint
