#pragma once

// Which endpoint is asked, and with which JSON: what SGLang's client sends.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "bench/serving/answer_reader.h"
#include "bench/serving/bench_dataset.h"

namespace glint {

struct ServingBackend {
  std::string_view name;
  ServingApi api;
  const char* target;  // below the base URL
  int default_port;
  bool is_sglang;            // has /get_server_info
  bool incremental = false;  // asks for new text only, as glint's /generate can send it
};

// Nothing for a name that is none of them.
const ServingBackend* find_serving_backend(std::string_view name);
std::vector<std::string> serving_backend_names();

struct RequestFormat {
  const ServingBackend* backend = nullptr;
  std::string model;
  bool stream = true;
  bool ignore_eos = true;
  bool return_logprob = false;
  double temperature = 0;
  std::optional<double> top_p{};
  std::string lora_name{};  // empty: none
  Json extra{};             // an object whose members replace ours; or null
};

std::string request_body(const RequestFormat& format, const BenchRequest& request);

}  // namespace glint
