#include "api/operator/unsupported.h"

#include <string>
#include <utility>

#include "api/errors.h"

namespace glint {
namespace {

struct Unsupported {
  const char* path;
  const char* what;
};

constexpr Unsupported kUnsupported[] = {
    {"/v1/embeddings", "embeddings"},
    {"/encode", "embeddings"},
    {"/v1/classify", "classification"},
    {"/classify", "classification"},
    {"/v1/rerank", "reranking"},
    {"/v1/score", "scoring of labels; /generate with return_logprob gives log-probabilities"},
    {"/v1/moderations", "moderation"},
    {"/v1/images/generations", "images"},
    {"/v1/audio/transcriptions", "audio"},
    {"/v1/audio/translations", "audio"},
    {"/v1/audio/speech", "audio"},
    {"/load_lora_adapter", "LoRA adapters"},
    {"/unload_lora_adapter", "LoRA adapters"},
    {"/v1/load_lora_adapter", "LoRA adapters"},
    {"/v1/unload_lora_adapter", "LoRA adapters"},
    {"/open_session", "sessions; the prefix cache shares what requests have in common"},
    {"/close_session", "sessions; the prefix cache shares what requests have in common"},
    {"/update_weights_from_disk", "changing its weights; start it again with others"},
    {"/update_weights_from_tensor", "changing its weights; start it again with others"},
    {"/update_weights_from_distributed", "changing its weights; start it again with others"},
    {"/init_weights_update_group", "changing its weights; start it again with others"},
    {"/destroy_weights_update_group", "changing its weights; start it again with others"},
    {"/get_weights_by_name", "reading its weights"},
    {"/release_memory_occupation", "giving its memory back while it runs"},
    {"/resume_memory_occupation", "giving its memory back while it runs"},
};

}  // namespace

std::vector<std::string_view> unsupported_paths() {
  std::vector<std::string_view> paths;
  for (const Unsupported& one : kUnsupported) paths.emplace_back(one.path);
  return paths;
}

void add_unsupported(Router& router) {
  for (const Unsupported& one : kUnsupported) {
    router.add("POST", one.path, [&one](std::shared_ptr<Exchange> exchange) {
      exchange->respond(error_response(
          {ErrorCode::kInvalidRequest, cat("This server does not support ", one.what, "."), {}}));
    });
  }
}

}  // namespace glint
