#include "bench/op_list.h"

namespace glint {
namespace {

using Config = ModelConfig;
using Size = StepSize;

int never(const Config&) { return 0; }
int once(const Config&) { return 1; }
int twice(const Config&) { return 2; }
int layers(const Config& c) { return c.num_hidden_layers; }
int dense_layers(const Config& c) { return c.first_k_dense_replace; }
int moe_layers(const Config& c) { return c.num_hidden_layers - c.first_k_dense_replace; }
// Of a layer's two the first is none in layer 0, and adds up experts where they came before; the
// second is one with the choice of experts where they follow. +1 last.
int sums(const Config& c) { return 2 * c.first_k_dense_replace + 1; }
int expert_sums(const Config& c) { return moe_layers(c) - 1; }

int hidden(const Config& c) { return c.hidden_size; }
int two_hidden(const Config& c) { return 2 * c.hidden_size; }
int dense(const Config& c) { return c.intermediate_size; }
int q_a(const Config& c) { return c.q_lora_rank; }
int qkv_a(const Config& c) { return c.q_lora_rank + c.kv_row(); }
int q(const Config& c) { return c.num_attention_heads * c.qk_head_dim(); }
int o(const Config& c) { return c.num_attention_heads * c.v_head_dim; }

OpCost nothing(const Config&, const Size&) { return {}; }
OpCost copy_cost(const Config& c, const Size& s) {
  return row_cost(s.rows, c.hidden_size, c.hidden_size);
}
OpCost two_rows_cost(const Config& c, const Size& s) {
  return row_cost(s.rows, 2 * c.hidden_size, 2 * c.hidden_size);
}

constexpr auto kEvery = OpPlace::kEveryStep;
constexpr auto kLogits = OpPlace::kLogitRows;
constexpr auto kAbsorbed = OpPlace::kAbsorbed;
constexpr auto kExpanded = OpPlace::kExpanded;

template <OpCase (OpCases::*kMake)()>
OpCase made(OpCases& cases) {
  return (cases.*kMake)();
}

using Dimension = int (*)(const Config&);
template <Dimension kSize>
OpCost norm_cost(const Config& c, const Size& s) {
  return row_cost(s.rows, kSize(c), kSize(c));
}
template <Dimension kSize>
BenchOp norm(std::string_view use, Dimension calls) {
  return {"rms_norm",       use,
          kEvery,           calls,
          norm_cost<kSize>, [](OpCases& cases) { return cases.rms_norm(kSize(cases.config())); }};
}

template <Dimension kIn, Dimension kOut>
BenchOp linear(std::string_view use, Dimension calls, OpPlace place = kEvery) {
  return {"linear",
          use,
          place,
          calls,
          [](const Config& c, const Size& s) { return linear_cost(s.rows, kIn(c), kOut(c)); },
          [](OpCases& cases) { return cases.linear(kIn(cases.config()), kOut(cases.config())); }};
}

template <Dimension kWidth>
BenchOp swiglu(std::string_view use, Dimension calls) {
  return {
      "linear_swiglu",
      use,
      kEvery,
      calls,
      [](const Config& c, const Size& s) { return swiglu_cost(s.rows, c.hidden_size, kWidth(c)); },
      [](OpCases& cases) { return cases.linear_swiglu(kWidth(cases.config())); }};
}

OpCost norm_route_cost(const Config& c, const Size& s) {
  const OpCost norm = two_rows_cost(c, s), route = route_cost(c, s);
  return {.bytes = norm.bytes + route.bytes, .flops = route.flops};
}

OpCost lm_head_cost(const Config& c, const Size& s) {
  return linear_cost(s.rows, c.hidden_size, c.vocab_size, /*bytes_per_output=*/4);
}
OpCase lm_head(OpCases& cases) {
  return cases.linear(cases.config().hidden_size, cases.config().vocab_size, NumberType::kF32);
}
OpCase sample_greedy(OpCases& cases) { return cases.sample(/*temperature=*/0, /*top_p=*/1); }
OpCase sample_top_p(OpCases& cases) { return cases.sample(/*temperature=*/1, /*top_p=*/0.95f); }

}  // namespace

std::string BenchOp::name() const {
  return use.empty() ? std::string(op) : std::string(op) + "." + std::string(use);
}

bool BenchOp::is_in(StepForm form, MlaForm prompt_form) const {
  if (place == OpPlace::kEveryStep || form == StepForm::kDecode) return place != kExpanded;
  if (place == OpPlace::kLogitRows) return false;
  return (place == OpPlace::kExpanded) == (prompt_form == MlaForm::kExpanded);
}

const std::vector<BenchOp>& all_bench_ops() {
  static const std::vector<BenchOp> ops = {
      {"resolve_sampled_ids", "", kLogits, once, nothing, made<&OpCases::resolve_sampled_ids>},
      {"rope_table", "", kEvery, once, rope_table_cost, made<&OpCases::rope_table>},
      {"plan_attend", "", kAbsorbed, once, nothing, made<&OpCases::plan_attend>},
      {"embed", "", kEvery, once, copy_cost, made<&OpCases::embed>},
      norm<hidden>("hidden", once),
      {"add_rms_norm", "", kEvery, sums, two_rows_cost, made<&OpCases::add_rms_norm>},
      linear<hidden, qkv_a>("qkv_a", layers),
      {"split_qkv_a", "", kEvery, layers, split_qkv_a_cost, made<&OpCases::split_qkv_a>},
      {"mla_query", "", kAbsorbed, layers, query_cost, made<&OpCases::mla_query>},
      linear<q_a, q>("q_b", layers, kExpanded),
      {"rope_query", "", kExpanded, layers, rope_query_cost, made<&OpCases::rope_query>},
      {"mla_absorb_query", "", kAbsorbed, never, absorb_query_cost,
       made<&OpCases::mla_absorb_query>},
      {"mla_attend", "", kAbsorbed, never, attend_cost, made<&OpCases::mla_attend>},
      {"mla_expand_output", "", kAbsorbed, never, expand_output_cost,
       made<&OpCases::mla_expand_output>},
      {"mla_attend_output", "", kAbsorbed, layers, attend_output_cost,
       made<&OpCases::mla_attend_output>},
      {"mla_attend_expanded", "", kExpanded, layers, attend_expanded_cost,
       made<&OpCases::mla_attend_expanded>},
      linear<o, hidden>("o_proj", layers),
      swiglu<dense>("dense", dense_layers),
      linear<dense, hidden>("dense_down", dense_layers),
      {"add_rms_norm_route", "", kEvery, moe_layers, norm_route_cost,
       made<&OpCases::add_rms_norm_route>},
      {"route", "", kEvery, never, route_cost, made<&OpCases::route>},
      {"moe_gate_up", "", kEvery, moe_layers, moe_gate_up_cost, made<&OpCases::moe_gate_up>},
      {"moe_down", "", kEvery, moe_layers, moe_down_cost, made<&OpCases::moe_down>},
      {"moe_combine", "", kEvery, once, moe_combine_cost, made<&OpCases::moe_combine>},
      {"moe_combine_add_rms_norm", "", kEvery, expert_sums, moe_combine_add_rms_norm_cost,
       made<&OpCases::moe_combine_add_rms_norm>},
      {"gather_rows", "", kLogits, twice, copy_cost, made<&OpCases::gather_rows>},
      {"linear", "lm_head", kLogits, once, lm_head_cost, lm_head},
      {"sample", "greedy", kLogits, once, sample_cost, sample_greedy},
      {"sample", "top_p", kLogits, never, sample_cost, sample_top_p},
      {"embed_norm_concat", "", kEvery, never, two_rows_cost, made<&OpCases::embed_norm_concat>},
      linear<two_hidden, hidden>("eh_proj", never),
  };
  return ops;
}

}  // namespace glint
