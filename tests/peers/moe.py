#!/usr/bin/env python3
# timeout: 600
"""Compares Mixtral and Qwen models with transformers: loss, the routers' losses, every gradient, logits.

In bf16 a token near the border between two experts may take the other one, there as here: there
the models have all of their experts at work.
"""
from transformers import MixtralConfig, Qwen2Config, Qwen2MoeConfig, Qwen3Config, Qwen3MoeConfig

from _model import *

SIZES = {"vocab_size": 211, "hidden_size": 64, "intermediate_size": 144, "num_hidden_layers": 3,
         "num_attention_heads": 8, "num_key_value_heads": 2, "max_position_embeddings": 128,
         "initializer_range": 0.08, "bos_token_id": None, "eos_token_id": 0}
QWEN = {**SIZES, "moe_intermediate_size": 40}
LOSSES = ((0, 0, 0), (Z, 0.3, 0), (Z, 0.3, 0.2))
DENSE = {
    "qwen2": Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SIZES, head_dim=16),
}


def experts(k):
    """Models with k of their experts for each token."""
    return {
        "mixtral": MixtralConfig(**SIZES, head_dim=8, num_local_experts=6, num_experts_per_tok=k),
        "mixtral, sliding window": MixtralConfig(**SIZES, head_dim=8, num_local_experts=6, sliding_window=13,
                                                 num_experts_per_tok=k),
        "qwen2_moe": Qwen2MoeConfig(**QWEN, num_experts=6, num_experts_per_tok=k,
                                    shared_expert_intermediate_size=56),
        "qwen2_moe, normalized, some dense": Qwen2MoeConfig(
            **QWEN, num_experts=6, num_experts_per_tok=k, shared_expert_intermediate_size=56,
            norm_topk_prob=True, mlp_only_layers=[1], tie_word_embeddings=True),
        "qwen3_moe": Qwen3MoeConfig(**QWEN, num_experts=6, num_experts_per_tok=k, head_dim=24),
        "qwen3_moe, normalized, some dense": Qwen3MoeConfig(
            **QWEN, num_experts=6, num_experts_per_tok=k, norm_topk_prob=True, decoder_sparse_step=2),
    }


for model_name, model_config in DENSE.items():
    compare(model_name, model_config)
for model_name, model_config in experts(3).items():
    compare(model_name, model_config, LOSSES, bf16=False)
for model_name, model_config in experts(6).items():
    if "," not in model_name:
        compare(model_name + ", all experts", model_config, LOSSES[-1:])
done()
