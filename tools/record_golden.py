"""Records what transformers computes with tiny random checkpoints, for tests/golden.

    python -m venv venv && venv/bin/pip install torch==2.11.0 transformers==5.17.0 safetensors
    venv/bin/python tools/record_golden.py [--out tests/golden]

For each shape a Hugging Face folder (config.json, model.safetensors) and beside it
golden.safetensors, all FP32, token ids too:

    input_ids [T]                     hidden.<i> [T, hidden]   x after decoder layer i
    logits [T, vocab]                 mtp_logits [T - 1, vocab]
    greedy_prompt [P]                 greedy_ids [64]          the tokens after it
    bf16_ids [24, 384]                what bf16_error.json was measured on

bf16_error.json has, by shape, the difference between transformers' logits in BF16 and in FP32: the
root of its mean square over all logits, and over the median position's.

transformers builds the norms of the two latents with an epsilon of 1e-6 whatever the config says;
SGLang and vLLM take rms_norm_eps, and so do we: it is set here by hand. transformers leaves the MTP
layer out: its golden is composed from its decoder layer by the equations of DeepSeek-V3
(arXiv:2412.19437, section 2.2).
"""

import argparse
import json
from pathlib import Path

import safetensors.torch
import torch
from transformers.models.glm4_moe_lite import modeling_glm4_moe_lite as hf
from transformers.utils import logging

from complete_config import complete_config

NUM_TOKENS = 96
NUM_PROMPT = 16
NUM_GREEDY = 64
# A greedy token is compared only where no rounding of FP32 could choose another.
MIN_GREEDY_MARGIN = 1e-3
# Where rounding changes which experts are chosen, a position is off ten times as far as elsewhere,
# and those few make most of the RMS: over 1,152 positions it varies by 10 %, over these 9,216 by 4 %.
BF16_SEEDS = range(11, 35)
NUM_BF16_TOKENS = 384  # per seed

# What differs between the shapes; GLM-4.7-Flash has a dense layer, interleaved rotation, one shared
# expert and normalised weights.
SHAPES = {
    "flash": dict(
        hidden_size=64, intermediate_size=128, moe_intermediate_size=16, num_hidden_layers=4,
        num_attention_heads=2, q_lora_rank=32, kv_lora_rank=32, qk_nope_head_dim=16,
        qk_rope_head_dim=8, v_head_dim=16, n_routed_experts=8, num_experts_per_tok=2,
        vocab_size=128, dtype="bfloat16"),
    "odd": dict(
        hidden_size=72, intermediate_size=100, moe_intermediate_size=20, num_hidden_layers=3,
        first_k_dense_replace=2, num_attention_heads=3, q_lora_rank=24, kv_lora_rank=40,
        qk_nope_head_dim=12, qk_rope_head_dim=6, v_head_dim=20, n_routed_experts=6,
        num_experts_per_tok=3, n_shared_experts=2, routed_scaling_factor=2.5, rms_norm_eps=1e-3,
        vocab_size=131, dtype="float32"),
    "plain": dict(
        hidden_size=96, intermediate_size=192, moe_intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=4, q_lora_rank=48, kv_lora_rank=64, qk_nope_head_dim=24,
        qk_rope_head_dim=16, v_head_dim=32, n_routed_experts=12, num_experts_per_tok=4,
        norm_topk_prob=False, routed_scaling_factor=1.0, rope_interleave=False, vocab_size=128,
        dtype="bfloat16"),
}  # fmt: skip


class Weights:
    """Random tensors by name, scaled so that attention and routing have something to choose from."""

    def __init__(self, config, seed, device="cpu", branch_gain=1.0):
        self.config = config
        self.branch_gain = branch_gain  # of what a layer adds to the residual stream
        self.random = torch.Generator(device).manual_seed(seed)
        self.tensors = {}

    def randn(self, *size):
        return torch.randn(*size, generator=self.random, device=self.random.device)

    def matrix(self, name, rows, cols, gain=1.0):
        self.tensors[name + ".weight"] = self.randn(rows, cols) * gain / cols**0.5

    def norm(self, name, size):
        self.tensors[name + ".weight"] = 1 + 0.2 * self.randn(size)

    def mlp(self, prefix, width):
        hidden = self.config["hidden_size"]
        self.matrix(prefix + "gate_proj", width, hidden, gain=2.0)
        self.matrix(prefix + "up_proj", width, hidden)
        self.matrix(prefix + "down_proj", hidden, width, self.branch_gain)

    def attention(self, prefix):
        c = self.config
        heads, nope, rope = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"]
        self.matrix(prefix + "q_a_proj", c["q_lora_rank"], c["hidden_size"])
        self.norm(prefix + "q_a_layernorm", c["q_lora_rank"])
        self.matrix(prefix + "q_b_proj", heads * (nope + rope), c["q_lora_rank"], gain=2.0)
        self.matrix(prefix + "kv_a_proj_with_mqa", c["kv_lora_rank"] + rope, c["hidden_size"])
        self.norm(prefix + "kv_a_layernorm", c["kv_lora_rank"])
        self.matrix(prefix + "kv_b_proj", heads * (nope + c["v_head_dim"]), c["kv_lora_rank"])
        gain = self.branch_gain
        self.matrix(prefix + "o_proj", c["hidden_size"], heads * c["v_head_dim"], gain)

    def experts(self, prefix):
        c = self.config
        num_experts, width = c["n_routed_experts"], c["moe_intermediate_size"]
        self.matrix(prefix + "gate", num_experts, c["hidden_size"])
        self.tensors[prefix + "gate.e_score_correction_bias"] = 0.2 * self.randn(num_experts)
        for expert in range(num_experts):
            self.mlp(f"{prefix}experts.{expert}.", width)
        self.mlp(prefix + "shared_experts.", width * c["n_shared_experts"])

    def layer(self, index):
        c = self.config
        prefix = f"model.layers.{index}."
        self.norm(prefix + "input_layernorm", c["hidden_size"])
        self.attention(prefix + "self_attn.")
        self.norm(prefix + "post_attention_layernorm", c["hidden_size"])
        if index < c["first_k_dense_replace"]:
            self.mlp(prefix + "mlp.", c["intermediate_size"])
        else:
            self.experts(prefix + "mlp.")

    def embedding(self):
        c = self.config
        self.tensors["model.embed_tokens.weight"] = self.randn(c["vocab_size"], c["hidden_size"])

    def head(self):
        c = self.config
        self.norm("model.norm", c["hidden_size"])
        self.matrix("lm_head", c["vocab_size"], c["hidden_size"], gain=3.0)

    def fill(self):
        hidden, mtp = self.config["hidden_size"], self.config["num_hidden_layers"]
        self.embedding()
        for index in range(mtp + 1):
            self.layer(index)
        self.head()
        prefix = f"model.layers.{mtp}."
        self.norm(prefix + "enorm", hidden)
        self.norm(prefix + "hnorm", hidden)
        self.matrix(prefix + "eh_proj", hidden, 2 * hidden)
        self.norm(prefix + "shared_head.norm", hidden)
        # Tables of its own, equal to the model's: some servers read these, some those.
        embedding, head = self.tensors["model.embed_tokens.weight"], self.tensors["lm_head.weight"]
        self.tensors[prefix + "embed_tokens.weight"] = embedding.clone()
        self.tensors[prefix + "shared_head.head.weight"] = head.clone()
        return self

    def stored(self):
        """As a checkpoint has them: the correction bias FP32, all else in the config's type."""
        dtype = getattr(torch, self.config["dtype"])
        is_bias = "e_score_correction_bias"
        return {
            name: tensor if name.endswith(is_bias) else tensor.to(dtype)
            for name, tensor in self.tensors.items()
        }


def set_latent_epsilon(module, eps):
    for name, part in module.named_modules():
        if name.endswith(("q_a_layernorm", "kv_a_layernorm")):
            part.variance_epsilon = eps


def load(folder, config, dtype, **options):
    # The loop over experts is the definition; the grouped kernel refuses some of our widths.
    model, info = hf.Glm4MoeLiteForCausalLM.from_pretrained(
        folder, dtype=dtype, experts_implementation="eager", output_loading_info=True, **options
    )
    mtp = f"model.layers.{config['num_hidden_layers']}."
    assert not info["missing_keys"] and not info["mismatched_keys"], info
    assert all(key.startswith(mtp) for key in info["unexpected_keys"]), info
    assert model.config.rope_parameters["rope_theta"] == config["rope_theta"]
    set_latent_epsilon(model, config["rms_norm_eps"])
    return model.eval()


def forward_with_layers(model, ids):
    """Logits [T, vocab], every layer's output [T, hidden], model.norm's output [T, hidden]."""
    outputs = []
    hooks = [
        layer.register_forward_hook(lambda _module, _args, out: outputs.append(out[0]))
        for layer in model.model.layers
    ]
    final = model.model(ids[None]).last_hidden_state[0]
    for hook in hooks:
        hook.remove()
    return model.lm_head(final), outputs, final


def mtp_layer(model, tensors):
    """transformers' decoder layer with the MTP layer's weights, which it does not load itself."""
    config = type(model.config).from_dict(model.config.to_dict())
    index = config.num_hidden_layers
    config.mlp_layer_types = [*config.mlp_layer_types, "sparse"]
    config._attn_implementation = "eager"
    layer = hf.Glm4MoeLiteDecoderLayer(config, index).float()
    prefix = f"model.layers.{index}."
    state = {k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)}
    experts = [f"mlp.experts.{e}." for e in range(config.n_routed_experts)]
    gate_up = [
        torch.cat([state[e + "gate_proj.weight"], state[e + "up_proj.weight"]]) for e in experts
    ]
    state["mlp.experts.gate_up_proj"] = torch.stack(gate_up)
    state["mlp.experts.down_proj"] = torch.stack([state[e + "down_proj.weight"] for e in experts])
    wanted = layer.state_dict().keys()
    layer.load_state_dict({name: state[name] for name in wanted})
    set_latent_epsilon(layer, config.rms_norm_eps)
    return layer.eval(), state


def rms_norm(x, weight, eps):
    norm = hf.Glm4MoeLiteRMSNorm(weight.numel(), eps)
    norm.weight.data = weight
    return norm(x)


def mtp_logits(model, tensors, ids, final):
    """Slot i, at position i, takes token i + 1 and the model's normed output of token i."""
    layer, state = mtp_layer(model, tensors)
    eps = model.config.rms_norm_eps
    embedded = rms_norm(model.model.embed_tokens(ids[1:]), state["enorm.weight"], eps)
    hidden = rms_norm(final[:-1], state["hnorm.weight"], eps)
    x = torch.cat([embedded, hidden], dim=-1) @ state["eh_proj.weight"].T
    num_slots = x.shape[0]
    positions = torch.arange(num_slots)[None]
    mask = torch.full((num_slots, num_slots), float("-inf")).triu(1)[None, None]
    rotation = model.model.rotary_emb(x[None], positions)
    x = layer(x[None], attention_mask=mask, position_ids=positions, position_embeddings=rotation)
    return model.lm_head(rms_norm(x[0], state["shared_head.norm.weight"], eps))


def greedy(model, prompt):
    ids = prompt
    margins = []
    for _ in range(NUM_GREEDY):
        best = model(ids[None]).logits[0, -1].topk(2)
        margins.append((best.values[0] - best.values[1]).item())
        ids = torch.cat([ids, best.indices[:1]])
    assert min(margins) > MIN_GREEDY_MARGIN, f"{min(margins)}: choose another seed"
    return ids[len(prompt) :]


def random_ids(config, count, seed):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, config["vocab_size"], (count,), generator=random)


def record_fp32(folder, config, seed):
    model = load(folder, config, torch.float32, attn_implementation="eager")
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    ids = random_ids(config, NUM_TOKENS, seed)
    logits, layers, final = forward_with_layers(model, ids)
    prompt = random_ids(config, NUM_PROMPT, seed + 1)
    golden = {f"hidden.{i}": x for i, x in enumerate(layers)} | {
        "input_ids": ids,
        "logits": logits,
        "mtp_logits": mtp_logits(model, tensors, ids, final),
        "greedy_prompt": prompt,
        "greedy_ids": greedy(model, prompt),
        "bf16_ids": torch.stack([random_ids(config, NUM_BF16_TOKENS, s) for s in BF16_SEEDS]),
    }
    golden = {name: tensor.float().contiguous() for name, tensor in golden.items()}
    safetensors.torch.save_file(golden, folder / "golden.safetensors")
    return golden["bf16_ids"].long()


def bf16_error(folder, config, sequences):
    exact = load(folder, config, torch.float32)
    rounded = load(folder, config, torch.bfloat16)
    by_position = torch.cat([
        (rounded(ids[None]).logits[0].double() - exact(ids[None]).logits[0].double())
        .square()
        .mean(dim=-1)
        for ids in sequences
    ])
    return {
        "rms_logit_error": by_position.mean().sqrt().item(),
        "median_position_error": by_position.median().sqrt().item(),
    }


def record(folder, shape, seed):
    folder.mkdir(parents=True, exist_ok=True)
    config = complete_config(shape)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = Weights(config, seed).fill().stored()
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    sequences = record_fp32(folder, config, seed)
    return bf16_error(folder, config, sequences)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    root = Path(__file__).parents[1]
    parser.add_argument("--out", type=Path, default=root / "tests/golden")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    logging.set_verbosity_error()  # it would list the MTP layer's tensors, which load() checks
    errors = {
        name: record(out / name, shape, seed=100 * i)
        for i, (name, shape) in enumerate(SHAPES.items(), start=1)
    }
    (out / "bf16_error.json").write_text(json.dumps(errors, indent=2) + "\n")
    print(json.dumps(errors, indent=2))


if __name__ == "__main__":
    main()
