#include "bench/serving/serving_bench.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "client/refusal.h"
#include "client/url.h"
#include "model/hub.h"

namespace glint {
namespace {

namespace fs = std::filesystem;

constexpr int kWarmupTokens = 32;           // at most
constexpr int kUnknownVocabSize = 150'000;  // below the released model's

Error run_error(std::string message) { return {ErrorCode::kInternal, std::move(message), {}}; }

std::string info_text(const Json& info, const char* key) {
  const auto found = info.is_object() ? info.find(key) : info.end();
  return found != info.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<Tokenizer> load_tokenizer(const std::string& name) {
  if (name.ends_with(".json")) return Tokenizer::load(name);
  return Tokenizer::load(TRY(resolve_model(name)) / "tokenizer.json");
}

// A path that the server gives means nothing on another machine, so these are only tried.
std::optional<Tokenizer> try_tokenizers(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name.empty()) continue;
    if (auto tokenizer = load_tokenizer(name)) return *std::move(tokenizer);
  }
  return std::nullopt;
}

Result<void> find_tokenizer(const ServingOptions& options, BenchServer& server) {
  if (!options.tokenizer.empty()) {
    server.tokenizer = TRY(load_tokenizer(options.tokenizer));
  } else {
    server.tokenizer = try_tokenizers({options.model_path, info_text(server.info, "tokenizer_path"),
                                       info_text(server.info, "model_path"), server.model});
  }
  if (server.tokenizer) {
    server.vocab_size = plain_vocab_size(*server.tokenizer);
    return {};
  }
  server.vocab_size = server.info.is_object() ? server.info.value("vocab_size", 0) : 0;
  if (server.vocab_size > 0) return {};
  server.vocab_size = kUnknownVocabSize;
  server.notes.push_back(cat("ids are below ", kUnknownVocabSize,
                             ": the server does not say how "
                             "many it has"));
  return {};
}

Result<ServingLoad> make_load(const BenchServer& server, const ServingOptions& options) {
  ServingLoad load;
  const ServingBackend& backend = *options.format.backend;
  load.server = TRY(parse_url(server.base_url + backend.target));
  load.target = load.server.target;
  load.headers = server.headers;
  load.format = options.format;
  load.format.model = server.model;
  load.max_concurrency = options.max_concurrency;
  load.stop = options.stop;
  return load;
}

// SGLang's warm-up: the first request with a short answer, once or several times at once.
Result<void> warm_up(const ServingLoad& load, int count, const Clock& clock) {
  if (count == 0) return {};
  ServingLoad first = load;
  BenchRequest request = load.requests[0];
  request.output_len = std::min(request.output_len, kWarmupTokens);
  request.follow_ups.clear();
  first.requests.assign(static_cast<size_t>(count), request);
  first.arrivals_s.clear();
  const LoadResult result = TRY(run_serving_load(first, clock, nullptr));
  if (std::ranges::any_of(result.records, &RequestRecord::ok)) return {};
  return run_error(cat("The warm-up request failed: ", result.records[0].error));
}

Result<void> post_profile(const BenchServer& server, const std::string& what) {
  const HttpResponse response =
      TRY(HttpClient().post(server.base_url + "/" + what, server.headers, "{}"));
  if (response.status == 200) return {};
  return run_error(cat(refusal("/" + what, response.status, response.body),
                       " Leave out --profile for servers that have no profiler."));
}

// A server without a tokenizer must be sent ids; chats cannot be.
Result<void> check_format(const BenchServer& server, const BenchDataset& dataset,
                          const ServingOptions& options) {
  if (dataset.requests.empty()) return run_error("There is no request to send.");
  if (options.format.backend->api != ServingApi::kChat || dataset.requests[0].ids.empty())
    return {};
  return run_error(cat("--backend ", options.format.backend->name, " sends text, and ",
                       server.tokenizer ? "--tokenize-prompt asks for ids."
                                        : "this client has no tokenizer: name the model's folder "
                                          "with --tokenizer."));
}

int64_t retokenized(const Tokenizer& tokenizer, const std::vector<RequestRecord>& records) {
  int64_t count = 0;
  for (const RequestRecord& record : records)
    if (record.ok()) count += static_cast<int64_t>(tokenizer.encode(record.text).size());
  return count;
}

void fill_report(const BenchServer& server, LoadResult result, double duration_s,
                 ServingReport& report) {
  report.records = std::move(result.records);
  report.cost = result.cost;
  report.metrics = serving_metrics(report.records, duration_s);
  report.metrics.accept_length = accept_length(report.server_info);
  if (server.tokenizer)
    report.metrics.total_output_retokenized = retokenized(*server.tokenizer, report.records);
}

bool is_stopped(const ServingOptions& options) { return options.stop != nullptr && *options.stop; }

}  // namespace

Result<BenchServer> find_bench_server(const ServingOptions& options,
                                      const std::function<void(const std::string&)>& on_wait) {
  BenchServer server;
  server.base_url = without_end_slashes(options.base_url);
  server.headers = options.headers;
  TRY(parse_url(server.base_url));
  server.model =
      TRY(wait_for_model(server.base_url, server.headers, options.ready_timeout_s, on_wait));
  server.info = server_info(server.base_url, server.headers);
  TRY(find_tokenizer(options, server));
  if (!options.format.model.empty()) server.model = options.format.model;
  return server;
}

Result<ServingReport> bench_serving(const BenchServer& server, const ServingOptions& options,
                                    const ProgressHook& on_progress) {
  NumpyRandom random(options.dataset.seed);
  DatasetOptions dataset = options.dataset;
  dataset.send_ids |= server.info.is_object() && server.info.value("skip_tokenizer_init", false);
  return bench_serving(server, options, TRY(make_dataset(dataset, server.tokens(), random)), random,
                       on_progress);
}

Result<ServingReport> bench_serving(const BenchServer& server, const ServingOptions& options,
                                    BenchDataset dataset, NumpyRandom& random,
                                    const ProgressHook& on_progress) {
  TRY(check_format(server, dataset, options));
  ServingReport report;
  report.options = options;
  report.notes = server.notes;
  report.notes.insert(report.notes.end(), dataset.notes.begin(), dataset.notes.end());
  ServingLoad load = TRY(make_load(server, options));
  load.requests = std::move(dataset.requests);
  load.arrivals_s = poisson_arrivals_s(options.request_rate, load.requests.size(), random);
  const SteadyClock clock;
  TRY(warm_up(load, options.warmup_requests, clock));
  if (options.flush_cache) TRY(flush_cache(server.base_url, server.headers));
  std::this_thread::sleep_for(std::chrono::duration<double>(options.settle_s));
  if (is_stopped(options)) return Error{ErrorCode::kCancelled, "interrupted", {}};
  if (options.profile) TRY(post_profile(server, "start_profile"));
  const auto before = server_counts(server.base_url, server.headers);
  LoadResult result = TRY(run_serving_load(load, clock, on_progress));
  // Whoever interrupts it may do so because the server does not answer any more.
  const bool may_ask = !is_stopped(options);
  if (may_ask && options.format.backend->is_sglang)
    report.server_info = server_info(server.base_url, server.headers);
  const double duration_s = clock.now_s() - result.begin_s;
  if (options.profile) TRY(post_profile(server, "stop_profile"));
  if (may_ask && before) {
    const auto after = server_counts(server.base_url, server.headers);
    if (after) report.server_counts = *after - *before;
  }
  fill_report(server, std::move(result), duration_s, report);
  return report;
}

}  // namespace glint
