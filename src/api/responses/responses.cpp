#include "api/responses/responses.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/chat_start.h"
#include "api/errors.h"
#include "api/request_fields.h"
#include "api/responses/detached_exchange.h"
#include "api/responses/followed_stream.h"
#include "api/responses/response_request.h"
#include "api/responses/response_writer.h"

namespace glint {
namespace {

Error not_found(const std::string& id) {
  return {ErrorCode::kNotFound,
          cat("Response with id ", shown(Json(id)),
              " not found: it was never stored, or has been dropped for newer ones."),
          "response_id"};
}

Result<void> start_attached(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                            const ResponseRequest& request) {
  return start_chat(context, exchange, request.chat, [&](const OutputParserOptions& parser) {
    return make_response_writer(context, exchange, request, parser, nullptr);
  });
}

// The client is told at once that its response is queued, or streamed to as long as it stays.
Result<void> start_background(ServerContext& context, const std::shared_ptr<Exchange>& exchange,
                              const ResponseRequest& request) {
  TRY(context.responses.check_room());
  const auto detached = std::make_shared<DetachedExchange>(exchange);
  const auto stop = [weak = std::weak_ptr(detached)] {
    if (const auto running = weak.lock()) running->post([running] { running->stop(); });
  };
  TRY(start_chat(context, detached, request.chat, [&](const OutputParserOptions& parser) {
    return make_response_writer(context, detached, request, parser, stop);
  }));
  if (request.chat.stream) return {};
  const auto stored = context.responses.find(request.chat.id);
  if (!stored) return not_found(request.chat.id);  // another client has deleted it by now
  exchange->respond({.body = to_json_text(stored->body)});
  return {};
}

Result<ResponseRequest> parse(ServerContext& context, const HttpRequest& http) {
  TRY(check_takes_messages(context));
  const Json body = TRY(parse_request_body(http.header("Content-Type"), http.body));
  return parse_response_request(body, context);
}

Result<void> create(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  const ResponseRequest request = TRY(parse(context, exchange->request()));
  return request.background ? start_background(context, exchange, request)
                            : start_attached(context, exchange, request);
}

Result<Json> count_input_tokens(ServerContext& context, const HttpRequest& http) {
  const ResponseRequest request = TRY(parse(context, http));
  const ChatPrompt prompt = TRY(chat_prompt(context, request.chat));
  return Json{{"object", "response.input_tokens"}, {"input_tokens", prompt.ids.size()}};
}

// The {id} of the path, without what stands behind it.
std::string response_id(const HttpRequest& request, std::string_view suffix = "") {
  constexpr std::string_view kPrefix = "/v1/responses/";
  return request.path.substr(kPrefix.size(), request.path.size() - kPrefix.size() - suffix.size());
}

Result<StoredResponse> find(const ServerContext& context, const std::string& id) {
  auto stored = context.responses.find(id);
  if (!stored) return not_found(id);
  return *std::move(stored);
}

void answer(const std::shared_ptr<Exchange>& exchange, const Result<Json>& body) {
  if (!body) return exchange->respond(error_response(body.error()));
  exchange->respond({.body = to_json_text(*body)});
}

Result<void> get(ServerContext& context, const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  const std::string id = response_id(request);
  const StoredResponse stored = TRY(find(context, id));
  const std::string_view stream = request.query_value("stream");
  if (stream == "true") return follow_response(context, exchange, id);
  if (!stream.empty() && stream != "false") {
    return Error{ErrorCode::kInvalidRequest,
                 cat("stream is ", shown(Json(stream)), "; expected true or false."), "stream"};
  }
  exchange->respond({.body = to_json_text(stored.body)});
  return {};
}

Result<Json> cancel(ServerContext& context, const std::string& id) {
  const StoredResponse stored = TRY(find(context, id));
  if (!stored.background) {
    return Error{ErrorCode::kInvalidRequest,
                 "Only a response that was created with background can be cancelled: close the "
                 "connection of any other.",
                 "response_id"};
  }
  if (auto body = context.responses.cancel(id)) return *std::move(body);
  return not_found(id);
}

struct Page {
  size_t limit = 20;
  bool newest_first = true;
  std::string after;  // an item's id
};

Result<Page> parse_page(const HttpRequest& request) {
  Page page;
  page.after = request.query_value("after");
  const std::string_view order = request.query_value("order");
  if (!order.empty() && order != "asc" && order != "desc") {
    return Error{ErrorCode::kInvalidRequest,
                 cat("order is ", shown(Json(order)), "; expected asc or desc."), "order"};
  }
  page.newest_first = order != "asc";
  const std::string_view limit = request.query_value("limit");
  if (limit.empty()) return page;
  const auto [end, status] = std::from_chars(limit.data(), limit.data() + limit.size(), page.limit);
  if (status != std::errc() || end != limit.data() + limit.size() || page.limit < 1 ||
      page.limit > 100) {
    return Error{ErrorCode::kInvalidRequest,
                 cat("limit is ", shown(Json(limit)), "; expected a whole number from 1 to 100."),
                 "limit"};
  }
  return page;
}

// As OpenAI returns an item, where a client may send less: text in parts, and a status.
Json listed(Json item) {
  const bool is_message = item["type"] == "message";
  const auto content = item.find("content");
  if (is_message && content != item.end() && content->is_string()) {
    const bool is_answer = item.value("role", Json()) == "assistant";
    Json part = {{"type", is_answer ? "output_text" : "input_text"}, {"text", *content}};
    if (is_answer) part["annotations"] = Json::array();
    *content = Json::array({std::move(part)});
  }
  const bool has_status =
      is_message || item["type"] == "function_call" || item["type"] == "function_call_output";
  if (has_status && !item.contains("status")) item["status"] = "completed";
  return item;
}

Result<Json> list_input_items(const ServerContext& context, const HttpRequest& request) {
  StoredResponse stored = TRY(find(context, response_id(request, "/input_items")));
  const Page page = TRY(parse_page(request));
  Json& items = stored.input;
  if (page.newest_first) std::reverse(items.begin(), items.end());
  auto first = items.begin();
  if (!page.after.empty()) {
    first = std::find_if(items.begin(), items.end(),
                         [&](const Json& item) { return item["id"] == page.after; });
    if (first != items.end()) ++first;
  }
  const auto left = static_cast<size_t>(items.end() - first);
  const auto last = first + static_cast<std::ptrdiff_t>(std::min(left, page.limit));
  Json data = Json::array();
  std::transform(first, last, std::back_inserter(data), listed);
  return Json{{"object", "list"},
              {"data", data},
              {"first_id", data.empty() ? Json(nullptr) : data.front()["id"]},
              {"last_id", data.empty() ? Json(nullptr) : data.back()["id"]},
              {"has_more", left > page.limit}};
}

}  // namespace

void handle_create_response(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> created = create(context, exchange);
  if (!created) exchange->respond(error_response(created.error()));
}

void handle_count_input_tokens(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  answer(exchange, count_input_tokens(context, exchange->request()));
}

void handle_get_response(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Result<void> answered = get(context, exchange);
  if (!answered) exchange->respond(error_response(answered.error()));
}

void handle_delete_response(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const std::string id = response_id(exchange->request());
  if (!context.responses.remove(id)) return exchange->respond(error_response(not_found(id)));
  answer(exchange, Json{{"id", id}, {"object", "response"}, {"deleted", true}});
}

void handle_cancel_response(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  answer(exchange, cancel(context, response_id(exchange->request(), "/cancel")));
}

void handle_response_input_items(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  answer(exchange, list_input_items(context, exchange->request()));
}

}  // namespace glint
