"""The sizes of the models that the scripts here make; needs no package."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from complete_config import complete_config  # noqa: E402

FLASH = dict(
    hidden_size=2048, intermediate_size=10240, moe_intermediate_size=1536, num_attention_heads=20,
    q_lora_rank=768, kv_lora_rank=512, qk_nope_head_dim=192, qk_rope_head_dim=64, v_head_dim=256,
    n_routed_experts=64, num_experts_per_tok=4, vocab_size=154880,
    max_position_embeddings=202752, num_nextn_predict_layers=0, dtype="bfloat16")  # fmt: skip
# The released model's attention widths, all else small: for machines without a GPU.
SMALL = FLASH | dict(
    hidden_size=256, intermediate_size=512, moe_intermediate_size=128, num_attention_heads=4,
    q_lora_rank=128, n_routed_experts=16, vocab_size=2048)  # fmt: skip
SHAPES = {"flash": FLASH, "small": SMALL}


def config_of(shape, num_layers):
    return complete_config(SHAPES[shape] | {"num_hidden_layers": num_layers})


def write_config(folder, config):
    """A folder that is enough for --load-format dummy."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
