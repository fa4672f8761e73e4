"""Glm4MoeLite in PyTorch, for training: MLA in expanded form, all experts as one gated MLP, one MTP layer.

The equations are those of transformers' modeling_glm4_moe_lite.py; the MTP layer's are those of SGLang's
glm4_moe_lite_nextn.py. Weights are FP32, matrix products run under the caller's autocast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    vocab_size: int = 4096
    hidden_size: int = 256
    intermediate_size: int = 768
    moe_intermediate_size: int = 128
    num_hidden_layers: int = 6
    num_attention_heads: int = 2
    n_routed_experts: int = 8
    num_experts_per_tok: int = 2
    routed_scaling_factor: float = 1.8
    q_lora_rank: int = 128
    kv_lora_rank: int = 512
    qk_nope_head_dim: int = 192
    qk_rope_head_dim: int = 64
    v_head_dim: int = 256
    rope_theta: float = 1e6
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = 8192


# Attention over q, k, v [..., heads, 256] of one layer, whatever the batch looks like: packed documents or a padded cache.
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        full = x.float()
        return (full * torch.rsqrt(full.square().mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Interleaved rotary embedding: pair i is (x[2i], x[2i+1]) and turns by frequency i."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, config: Config, index: int):
        super().__init__()
        self.config, self.index = config, index
        heads, width = config.num_attention_heads, config.qk_nope_head_dim + config.qk_rope_head_dim
        self.q_a_proj = linear(config.hidden_size, config.q_lora_rank)
        self.q_a_layernorm = RMSNorm(config.q_lora_rank, config.rms_norm_eps)
        self.q_b_proj = linear(config.q_lora_rank, heads * width)
        self.kv_a_proj_with_mqa = linear(config.hidden_size, config.kv_lora_rank + config.qk_rope_head_dim)
        self.kv_a_layernorm = RMSNorm(config.kv_lora_rank, config.rms_norm_eps)
        self.kv_b_proj = linear(config.kv_lora_rank, heads * (config.qk_nope_head_dim + config.v_head_dim))
        self.o_proj = linear(heads * config.v_head_dim, config.hidden_size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
        c, heads = self.config, self.config.num_attention_heads
        q = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x))).unflatten(-1, (heads, -1))
        q_nope, q_pe = q.split((c.qk_nope_head_dim, c.qk_rope_head_dim), -1)
        latent, k_pe = self.kv_a_proj_with_mqa(x).split((c.kv_lora_rank, c.qk_rope_head_dim), -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).unflatten(-1, (heads, -1))
        k_nope, v = kv.split((c.qk_nope_head_dim, c.v_head_dim), -1)
        k_pe = rotate(k_pe, cos, sin).unsqueeze(-2).expand(*k_nope.shape[:-1], -1)
        q = torch.cat((q_nope, rotate(q_pe, cos.unsqueeze(-2), sin.unsqueeze(-2))), -1)
        out = attend(self.index, q, torch.cat((k_nope, k_pe), -1), v.contiguous())
        return self.o_proj(out.flatten(-2))


class MLP(nn.Module):
    def __init__(self, hidden: int, width: int):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = linear(hidden, width), linear(hidden, width), linear(width, hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x)), None


class MoE(nn.Module):
    """The routed experts and the shared one side by side in one wide MLP, whose columns carry the routing weights.

    At this size computing all experts costs less than gathering rows.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        hidden, width = config.hidden_size, config.moe_intermediate_size * (config.n_routed_experts + 1)
        self.gate = nn.Parameter(torch.empty(config.n_routed_experts, hidden))
        self.register_buffer("e_score_correction_bias", torch.zeros(config.n_routed_experts))
        self.gate_proj, self.up_proj, self.down_proj = linear(hidden, width), linear(hidden, width), linear(width, hidden)

    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [..., experts] with zeros for the experts that were not chosen, and the choice as 0/1."""
        with torch.autocast(x.device.type, enabled=False):
            scores = F.linear(x.float(), self.gate).sigmoid()
        chosen = (scores.detach() + self.e_score_correction_bias).topk(self.config.num_experts_per_tok, -1).indices
        mask = torch.zeros_like(scores).scatter(-1, chosen, 1.0)
        kept = scores * mask
        return kept / (kept.sum(-1, keepdim=True) + 1e-20) * self.config.routed_scaling_factor, mask

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weights, mask = self.route(x)
        weights = F.pad(weights, (0, 1), value=1.0).to(x.dtype).unsqueeze(-1)
        inner = (F.silu(self.gate_proj(x)) * self.up_proj(x)).unflatten(-1, (self.config.n_routed_experts + 1, -1))
        return self.down_proj((inner * weights).flatten(-2)), mask.flatten(0, -2).sum(0)


class Layer(nn.Module):
    def __init__(self, config: Config, index: int):
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config, index)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config.hidden_size, config.intermediate_size) if index == 0 else MoE(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> tuple[Tensor, Tensor | None]:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, attend)
        out, load = self.mlp(self.post_attention_layernorm(x))
        return x + out, load


class MTP(nn.Module):
    """Predicts the token after the next one, from the next token and the normed hidden state."""

    def __init__(self, config: Config):
        super().__init__()
        self.enorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = linear(2 * config.hidden_size, config.hidden_size)
        self.layer = Layer(config, config.num_hidden_layers)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, embedded: Tensor, hidden: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> tuple[Tensor, Tensor]:
        x = self.eh_proj(torch.cat((self.enorm(embedded), self.hnorm(hidden)), -1))
        x, load = self.layer(x, cos, sin, attend)
        return self.norm(x), load


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.lm_head = linear(config.hidden_size, config.vocab_size)
        self.mtp = MTP(config)
        half = torch.arange(0, config.qk_rope_head_dim, 2, dtype=torch.float64) / config.qk_rope_head_dim
        angles = torch.arange(config.max_position_embeddings, dtype=torch.float64)[:, None] * config.rope_theta**-half
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)
        self.apply(self._initialize)

    def _initialize(self, module: nn.Module) -> None:
        for name, weight in module.named_parameters(recurse=False):
            if weight.dim() == 2:
                std = 0.1 if isinstance(module, nn.Embedding) else 0.7 * weight.shape[1] ** -0.5
                nn.init.normal_(weight, std=std)
        if isinstance(module, (Attention, MLP, MoE)):
            out = module.o_proj if isinstance(module, Attention) else module.down_proj
            nn.init.normal_(out.weight, std=0.7 * (out.in_features * 2 * self.config.num_hidden_layers) ** -0.5)

    def forward(self, tokens: Tensor, positions: Tensor, attend: Attend) -> tuple[Tensor, Tensor]:
        """Normed hidden states [..., hidden] (lm_head makes logits of them) and the load [layers - 1, experts]."""
        cos, sin = self.cos[positions], self.sin[positions]
        x, loads = self.embed_tokens(tokens), []
        for layer in self.layers:
            x, load = layer(x, cos, sin, attend)
            loads.append(load)
        return self.norm(x), torch.stack(loads[1:])

    def draft(self, next_tokens: Tensor, hidden: Tensor, positions: Tensor, attend: Attend) -> tuple[Tensor, Tensor]:
        """Normed states whose logits predict the token after `next_tokens`; the position is that of the hidden state."""
        cos, sin = self.cos[positions], self.sin[positions]
        return self.mtp(self.embed_tokens(next_tokens), hidden, cos, sin, attend)


def packed_attention(starts: Tensor, longest: int) -> Attend:
    """Causal attention within each document of a flat batch; flash attention for sequences of different lengths."""
    from torch.nn.attention.varlen import varlen_attn

    def attend(_: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        half = (t.to(torch.bfloat16) for t in (q, k, v))
        return varlen_attn(*half, starts, starts, longest, longest, window_size=(-1, 0)).to(q.dtype)

    return attend


def masked_attention(mask: Tensor) -> Attend:
    """Attention under an explicit mask [queries, keys] over one flat batch, for devices without flash attention."""

    def attend(_: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        heads_first = (t.transpose(0, 1)[None] for t in (q, k, v))
        return F.scaled_dot_product_attention(*heads_first, attn_mask=mask)[0].transpose(0, 1)

    return attend


def document_mask(positions: Tensor) -> Tensor:
    """[T, T]: a token sees the earlier ones of its own document. A new document begins at position 0."""
    document = (positions == 0).cumsum(0)
    order = torch.arange(len(positions), device=positions.device)
    return (document[:, None] == document[None]) & (order[:, None] >= order[None])
