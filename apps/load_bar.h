#pragma once

#include "bench/serving/serving_load.h"

namespace glint {

// How far a load is, on stderr: a line that moves where stderr is a terminal, else one for each
// 10 % of the requests.
class LoadBar {
 public:
  void update(const LoadProgress& progress);

 private:
  int shown_tenths_ = 0;
};

// As many open connections as the system allows, for loads without a limit of their own.
void raise_connection_limit();

}  // namespace glint
