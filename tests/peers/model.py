#!/usr/bin/env python3
# timeout: 600
"""Compares the decoder with transformers on PyTorch: loss, every gradient of one step, logits."""
from transformers import GPT2Config, GPTNeoXConfig, LlamaConfig, MistralConfig

from _model import *

SIZES = {"vocab_size": 211, "hidden_size": 64, "intermediate_size": 144, "num_hidden_layers": 3,
         "num_attention_heads": 8, "max_position_embeddings": 128, "initializer_range": 0.08}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
NEOX = {**SIZES, "num_attention_heads": 4}
YARN = {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0,
        "original_max_position_embeddings": 32}
MODELS = {
    "llama, grouped queries": LlamaConfig(**SIZES, num_key_value_heads=2),
    "llama, tied, llama3 rope, biases": LlamaConfig(
        **SIZES, num_key_value_heads=4, head_dim=16, tie_word_embeddings=True, attention_bias=True,
        mlp_bias=True, rope_parameters=LLAMA3),
    "llama, linear rope": LlamaConfig(
        **SIZES, rope_parameters={"rope_type": "linear", "rope_theta": 1000.0, "factor": 2.0}),
    "mistral, sliding window": MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=11),
    "gpt2": GPT2Config(vocab_size=211, n_embd=64, n_layer=3, n_head=4, n_positions=128,
                       initializer_range=0.08, bos_token_id=0, eos_token_id=0, resid_pdrop=0,
                       embd_pdrop=0, attn_pdrop=0),
    "gpt2, untied, exact gelu": GPT2Config(
        vocab_size=211, n_embd=64, n_layer=2, n_head=4, n_positions=128, n_inner=100,
        initializer_range=0.08, bos_token_id=0, eos_token_id=0, activation_function="gelu",
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, tie_word_embeddings=False),
    "gpt_neox": GPTNeoXConfig(**NEOX),
    "gpt_neox, one after the other, tanh gelu, tied, no bias in attention": GPTNeoXConfig(
        **NEOX, use_parallel_residual=False, hidden_act="gelu_new", tie_word_embeddings=True,
        attention_bias=False, rope_parameters={"rope_theta": 1000.0, "partial_rotary_factor": 1.0}),
    "llama, yarn": LlamaConfig(**SIZES, num_key_value_heads=2, rope_parameters=YARN),
}

for model_name, model_config in MODELS.items():
    compare(model_name, model_config)
done()
