#include <nlohmann/json.hpp>

#include "configure/proposal.h"

namespace glint {
namespace {

Json memory_json(const Proposal& proposal) {
  const MemoryPlan& plan = *proposal.memory;
  return {{"device", plan.device},
          {"num_gpus", plan.num_gpus},
          {"total_bytes", plan.total_bytes},
          {"weights_bytes", plan.weights_bytes},
          {"activation_bytes", plan.activation_bytes},
          {"runtime_bytes", plan.runtime_bytes},
          {"kv_bytes", plan.kv_bytes},
          {"kv_bytes_per_token", plan.kv_bytes_per_token},
          {"kv_tokens", plan.kv_tokens()},
          {"page_size", plan.page_size},
          {"wanted_tokens", proposal.wanted_tokens},
          {"fitting_requests", proposal.fitting_requests},
          {"table", memory_table(plan)}};
}

Json speed_json(const ExpectedSpeed& speed) {
  return {{"requests", speed.rows},
          {"context", speed.context},
          {"step_ms", speed.step_ms},
          {"limit_step_ms", speed.limit_step_ms},
          {"tokens_per_s", speed.tokens_per_s()},
          {"limit_tokens_per_s", speed.limit_tokens_per_s()},
          {"first_token_ms", speed.first_token_ms},
          {"conditions", speed.conditions}};
}

}  // namespace

Json proposal_json(const Proposal& proposal) {
  return {{"possible", proposal.problems.empty()},
          {"command", proposal.command.empty() ? Json(nullptr) : Json(proposal.command)},
          {"problems", proposal.problems},
          {"not_yet", proposal.not_yet},
          {"notes", proposal.notes},
          {"memory", proposal.memory ? memory_json(proposal) : Json(nullptr)},
          {"speed", proposal.speed ? speed_json(*proposal.speed) : Json(nullptr)}};
}

Json questions_json(const std::vector<Question>& questions) {
  Json list = Json::array();
  for (const Question& question : questions) {
    Json json = {{"id", question.id},
                 {"label", question.label},
                 {"help", question.help},
                 {"kind", question.is_number()      ? "number"
                          : question.values.empty() ? "text"
                                                    : "choice"},
                 {"preset", question.preset},
                 {"values", Json::array()}};
    if (question.is_number()) {
      json["least"] = question.least;
      json["most"] = question.most;
    }
    for (const AnswerValue& value : question.values) {
      json["values"].push_back(
          {{"value", value.value},
           {"label", value.label},
           {"not_yet", value.not_yet.empty() ? Json(nullptr) : Json(value.not_yet)}});
    }
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace glint
