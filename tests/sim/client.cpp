#include "tests/sim/client.h"

#include <algorithm>

#include "base/check.h"
#include "tests/sim/fake_model_runner.h"

namespace glint::sim {

ClientRequest expect(GenerateRequest request, int order) {
  ClientRequest client;
  client.order = order;
  std::vector<TokenId> context = request.prompt.copy();
  for (int position = 0;; ++position) {
    client.expected_end = FinishReason::kError;
    if (std::ranges::count(context, kPoison) > 0) break;
    client.expected_end = FinishReason::kLength;
    if (position >= request.max_tokens) break;
    const TokenId id = next_token(context, request.sampling, position);
    context.push_back(id);
    client.expected.push_back(id);
    if (position + 1 == request.max_tokens) break;
    client.expected_end = FinishReason::kStop;
    if (std::ranges::count(request.sampling.stop_token_ids, id) > 0) break;
  }
  // At the last token a stop id comes before the limit.
  if (client.expected_end == FinishReason::kLength && !client.expected.empty() &&
      std::ranges::count(request.sampling.stop_token_ids, client.expected.back()) > 0)
    client.expected_end = FinishReason::kStop;
  client.request = std::move(request);
  return client;
}

std::string receive(ClientRequest& client, const TokenEvent& event) {
  const auto violation = [&](const auto&... parts) {
    return cat("request ", client.order, " ", parts...);
  };
  if (client.end) return violation("got an event after its last");
  for (const OutputToken& token : event.tokens) {
    const size_t at = client.received.size();
    if (at >= client.expected.size())
      return violation("got token ", token.id, " after the ", at, " that it gives alone");
    if (token.id != client.expected[at])
      return violation("got ", token.id, " as token ", at, "; alone it gives ",
                       client.expected[at]);
    client.received.push_back(token.id);
  }
  if (event.tokens.empty() && !event.finish) return violation("got an empty event");
  client.usage = event.usage;
  const int num_prompt = static_cast<int>(client.request.prompt.size());
  if (client.usage.completion_tokens != static_cast<int>(client.received.size()))
    return violation("has ", client.received.size(), " tokens; usage says ",
                     client.usage.completion_tokens);
  if (client.usage.prompt_tokens != num_prompt || client.usage.cached_tokens >= num_prompt)
    return violation("has a prompt of ", num_prompt, "; usage says ", client.usage.prompt_tokens,
                     ", cached ", client.usage.cached_tokens);
  if (!event.finish) return {};
  client.end = event.finish->reason;
  if (*client.end == FinishReason::kAbort)
    return client.cancelled ? std::string() : violation("was aborted and nobody had cancelled it");
  if (*client.end != client.expected_end)
    return violation("ended for reason ", static_cast<int>(*client.end), ", expected ",
                     static_cast<int>(client.expected_end));
  if (client.received.size() != client.expected.size())
    return violation("ended after ", client.received.size(), " tokens, expected ",
                     client.expected.size());
  return {};
}

}  // namespace glint::sim
