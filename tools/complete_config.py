"""config.json of checkpoints that we make, with all keys of the released one."""


def complete_config(shape):
    """The keys of the released config.json, in its order, with those of `shape` filled in."""
    config = dict(
        architectures=["Glm4MoeLiteForCausalLM"], attention_bias=False, attention_dropout=0.0,
        pad_token_id=1, eos_token_id=[1, 2], hidden_act="silu", hidden_size=None,
        intermediate_size=None, max_position_embeddings=4096, model_type="glm4_moe_lite",
        moe_intermediate_size=None, norm_topk_prob=True, num_attention_heads=None, n_group=1,
        topk_group=1, n_routed_experts=None, n_shared_experts=1, routed_scaling_factor=1.8,
        num_experts_per_tok=None, first_k_dense_replace=1, num_hidden_layers=None,
        num_key_value_heads=shape["num_attention_heads"], num_nextn_predict_layers=1,
        partial_rotary_factor=1.0, rms_norm_eps=1e-5, rope_scaling=None, rope_theta=1000000,
        tie_word_embeddings=False, dtype=None, transformers_version="5.17.0", q_lora_rank=None,
        kv_lora_rank=None, qk_nope_head_dim=None, qk_rope_head_dim=None, v_head_dim=None,
        vocab_size=None)  # fmt: skip
    config |= shape
    num_dense = config["first_k_dense_replace"]
    num_sparse = config["num_hidden_layers"] - num_dense
    config["mlp_layer_types"] = ["dense"] * num_dense + ["sparse"] * num_sparse
    return config
