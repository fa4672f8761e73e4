#pragma once

// Sends a load and writes down what came back. One thread does it all.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bench/serving/request_format.h"
#include "bench/serving/request_record.h"
#include "client/load_client.h"

namespace glint {

// How far it is, several times a second.
struct LoadProgress {
  size_t num_done = 0, num_requests = 0, num_failed = 0;
  int num_running = 0;
  int64_t num_tokens = 0;
  double tokens_per_s = 0;  // of the last second or so
  double elapsed_s = 0;
};

struct ServingLoad {
  Url server;
  std::string target;
  LoadClient::Headers headers;
  RequestFormat format;
  std::vector<BenchRequest> requests;
  int max_concurrency = 0;  // conversations in flight at most; 0: no limit
  // When each may be sent, in seconds from the start; empty: all at once. A request that waits for
  // one of the places is not late by that: its clock starts when it is sent.
  std::vector<double> arrivals_s;
  const std::atomic<bool>* stop = nullptr;  // once true, what has no answer yet has failed
};

// What the client itself took: whether it, and not the server, may have been the limit.
struct ClientCost {
  int64_t num_events = 0;   // read and scanned
  double cpu_s = 0;         // of all threads of the process
  double mean_late_ms = 0;  // how late its timers woke: as late it may have read a token
  double max_late_ms = 0;
};

struct LoadResult {
  // In the order of the requests, and of a request one after the other those of its follow-ups.
  std::vector<RequestRecord> records;
  double begin_s = 0;  // just before the first was sent
  double end_s = 0;    // all are done
  ClientCost cost;
};

Result<LoadResult> run_serving_load(const ServingLoad& load, const Clock& clock,
                                    const std::function<void(const LoadProgress&)>& on_progress);

// Poisson arrivals, as numpy draws them after the lengths. Empty for an infinite rate.
std::vector<double> poisson_arrivals_s(double requests_per_s, size_t count, NumpyRandom& random);

}  // namespace glint
