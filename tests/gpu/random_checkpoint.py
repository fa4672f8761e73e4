"""Writes checkpoints with random weights of any depth at the released model's widths, fast.

    python3 tests/gpu/random_checkpoint.py FOLDER [--layers 4] [--seed 1] [--shape flash]

The weights are drawn on the GPU where there is one: 60 GB take about a minute into memory-backed
files. Their scales are tools/record_golden.py's, which give attention and router something to
choose from; the correction biases are not zero. One shard for each layer and one for embedding and
head, with the index, as the released checkpoint has 48 of them. No MTP layer.
"""

import argparse
import json
import shutil
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import shapes  # noqa: E402
from record_golden import Weights  # noqa: E402

WRITERS = 8
SAFETENSORS_TYPES = {torch.bfloat16: "BF16", torch.float32: "F32"}


def shard_tensors(config, seed, shard, device):
    """Of the layer of this number; the last shard has what is in no layer."""
    num_layers = config["num_hidden_layers"]
    # Each of many layers adds little, or the deep ones only amplify the rounding of the first: then
    # any two computations are equally far from each other, and nothing is measured.
    branch_gain = min(1.0, (4 / num_layers) ** 0.5)
    weights = Weights(config, seed * 1000 + shard, device, branch_gain)
    if shard < num_layers:
        weights.layer(shard)
    else:
        weights.embedding()
        weights.head()
    return weights.stored()


def write_safetensors(path, tensors):
    """Byte for byte what the format asks for; the package's writer copies everything once more."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": SAFETENSORS_TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + size],
        }
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb", buffering=0) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            data = memoryview(tensor.cpu().contiguous().view(torch.uint8).flatten().numpy())
            while data:
                data = data[file.write(data) :]


def check_room(folder, config):
    hidden, width = config["hidden_size"], config["moe_intermediate_size"]
    experts = config["num_hidden_layers"] * config["n_routed_experts"] * 3 * hidden * width
    needed = 2 * (1.05 * experts + 2 * config["vocab_size"] * hidden)
    free = shutil.disk_usage(folder).free
    if free < needed:
        sys.exit(
            f"error: {folder} has {free / 1e9:.1f} GB free; {config['num_hidden_layers']} layers "
            f"need about {needed / 1e9:.0f} GB. Name another folder, or fewer layers."
        )


def write_checkpoint(folder, config, seed):
    shapes.write_config(folder, config)
    check_room(folder, config)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    num_shards = config["num_hidden_layers"] + 1
    index = {}

    def write(shard):
        name = f"model-{shard + 1:05}-of-{num_shards:05}.safetensors"
        tensors = shard_tensors(config, seed, shard, device)
        write_safetensors(folder / name, tensors)
        index.update(dict.fromkeys(tensors, name))

    with ThreadPoolExecutor(WRITERS if device == "cuda" else 1) as pool:
        list(pool.map(write, range(num_shards)))
    if device == "cuda":
        torch.cuda.empty_cache()
    text = json.dumps({"metadata": {}, "weight_map": dict(sorted(index.items()))}, indent=2)
    (folder / "model.safetensors.index.json").write_text(text + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", choices=shapes.SHAPES, default="flash")
    args = parser.parse_args()
    write_checkpoint(args.folder, shapes.config_of(args.shape, args.layers), args.seed)


if __name__ == "__main__":
    main()
