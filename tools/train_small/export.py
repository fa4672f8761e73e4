"""Writes a trained state as a Hugging Face checkpoint: `python export.py STATE DIR`.

Names, shapes and keys are those of zai-org/GLM-4.7-Flash. The MTP layer follows the last layer; its embedding and head, which are
the main ones, are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model import Config, Model, MoE

SHARD_BYTES = 14 << 20
STOPS = ("<|endoftext|>", "<|user|>", "<|observation|>")


def layer_tensors(prefix: str, layer, config: Config) -> Iterator[tuple[str, Tensor]]:
    for name, weight in layer.named_parameters():
        if not (isinstance(layer.mlp, MoE) and name.startswith("mlp.")):
            yield prefix + name, weight
    if isinstance(layer.mlp, MoE):
        yield from expert_tensors(prefix + "mlp.", layer.mlp, config)


def expert_tensors(prefix: str, moe: MoE, config: Config) -> Iterator[tuple[str, Tensor]]:
    """The wide MLP cut into experts; the shared one is last."""
    yield prefix + "gate.weight", moe.gate
    yield prefix + "gate.e_score_correction_bias", moe.e_score_correction_bias
    width, count = config.moe_intermediate_size, config.n_routed_experts
    for i in range(count + 1):
        name = f"experts.{i}." if i < count else "shared_experts."
        columns = slice(i * width, (i + 1) * width)
        yield prefix + name + "gate_proj.weight", moe.gate_proj.weight[columns]
        yield prefix + name + "up_proj.weight", moe.up_proj.weight[columns]
        yield prefix + name + "down_proj.weight", moe.down_proj.weight[:, columns]


def tensors(model: Model) -> Iterator[tuple[str, Tensor]]:
    config = model.config
    yield "model.embed_tokens.weight", model.embed_tokens.weight
    for i, layer in enumerate(model.layers):
        yield from layer_tensors(f"model.layers.{i}.", layer, config)
    yield "model.norm.weight", model.norm.weight
    yield "lm_head.weight", model.lm_head.weight
    last = f"model.layers.{config.num_hidden_layers}."
    for name in ("enorm", "hnorm", "eh_proj"):
        yield f"{last}{name}.weight", getattr(model.mtp, name).weight
    yield last + "shared_head.norm.weight", model.mtp.norm.weight
    yield from layer_tensors(last, model.mtp.layer, config)


def stored(model: Model) -> dict[str, Tensor]:
    """BF16, as the real checkpoint, except the correction bias."""
    kept = {}
    for name, tensor in tensors(model):
        dtype = torch.float32 if name.endswith("e_score_correction_bias") else torch.bfloat16
        kept[name] = tensor.detach().cpu().to(dtype).contiguous()
    return kept


def write_shards(weights: dict[str, Tensor], folder: Path) -> None:
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in weights.items():
        if filled + tensor.nbytes > SHARD_BYTES:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += tensor.nbytes
    where = {}
    for i, shard in enumerate(shards, 1):
        file = f"model-{i:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(shard, file)
    total = sum(t.nbytes for t in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def config_json(config: Config, stops: list[int]) -> dict:
    own = asdict(config)
    return {
        "architectures": ["Glm4MoeLiteForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "pad_token_id": stops[0],
        "eos_token_id": stops,
        "hidden_act": "silu",
        "hidden_size": own.pop("hidden_size"),
        "intermediate_size": own.pop("intermediate_size"),
        "max_position_embeddings": own.pop("max_position_embeddings"),
        "model_type": "glm4_moe_lite",
        "topk_method": "noaux_tc",
        "norm_topk_prob": True,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": 1,
        "first_k_dense_replace": 1,
        "num_key_value_heads": config.num_attention_heads,
        "num_nextn_predict_layers": 1,
        "partial_rotary_factor": 1.0,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "dtype": "bfloat16",
        "transformers_version": "5.0.0rc0",
        **own,
        "rope_theta": int(config.rope_theta),
    }


def generation_json(stops: list[int]) -> dict:
    return {
        "_from_model_config": True,
        "eos_token_id": stops,
        "pad_token_id": stops[0],
        "temperature": 0.6,
        "top_p": 0.95,
        "transformers_version": "5.0.0.dev0",
    }


def write(model: Model, tokenizer, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stops = [tokenizer.token_to_id(t) for t in STOPS]
    write_shards(stored(model), folder)
    for name, content in (("config", config_json(model.config, stops)), ("generation_config", generation_json(stops))):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


def load(folder: Path) -> Model:
    """The exported checkpoint back in this program's model, in FP32."""
    from safetensors.torch import load_file

    settings = json.loads((folder / "config.json").read_text())
    config = Config(**{k: settings[k] for k in asdict(Config())})
    model = Model(config)
    found: dict[str, Tensor] = {}
    for file in sorted(folder.glob("model-*.safetensors")):
        found |= load_file(file)
    with torch.no_grad():
        for name, tensor in tensors(model):
            tensor.copy_(found.pop(name))
    assert not found, f"tensors that this model does not have: {sorted(found)}"
    return model


def main() -> None:
    import data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    model = Model(Config())
    model.load_state_dict(torch.load(arguments.state, map_location="cpu")["model"])
    write(model, data.load_tokenizer(), arguments.folder)


if __name__ == "__main__":
    main()
