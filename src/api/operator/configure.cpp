#include "api/operator/configure.h"

#include <nlohmann/json.hpp>

#include "api/errors.h"
#include "configure/proposal.h"

namespace glint {

void handle_configure_questions(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Json questions = questions_json(configure_questions(context.options.machine));
  exchange->respond({.body = to_json_text(Json{{"questions", questions}})});
}

void handle_configure_proposal(ServerContext& context, std::shared_ptr<Exchange> exchange) {
  const Machine& machine = context.options.machine;
  const Result<Setup> setup = read_answers(configure_questions(machine), exchange->request().query);
  if (!setup) return exchange->respond(error_response(setup.error()));
  exchange->respond({.body = to_json_text(proposal_json(propose(*setup, machine)))});
}

}  // namespace glint
