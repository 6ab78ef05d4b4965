#!/usr/bin/env python3
"""Frozen tensors and weight-decay masks against PyTorch: requires_grad False, parameter groups without decay.

Losses of 30 steps differ by at most 1e-4, gradient norms (over what is trained) by 1e-3, relative.
timeout: 600
"""
import pathlib
import tempfile

from _curves import Data, done, model, ok, our_curve, relative, torch_curve

FREEZE = {
    "llama": {"half": ["model.layers.0.*", "model.norm.weight"], "all but embeddings": ["model.layers.*", "model.norm.weight"]},
    "llama-tied": {"embedding": ["model.embed_tokens.weight", "*.mlp.*"]},
    "gpt2": {"half": ["transformer.h.1.*", "transformer.wpe.weight"], "products": ["*.attn.*", "*.mlp.*"]},
}
UNDECAYED = {"llama": ["*.layers.1.*", "lm_head.weight"], "gpt2": ["*.wte.weight", "*.bias"]}


def close(name, got, want):
    losses, norms = relative(got[0], want[0]), relative(got[1], want[1])
    ok(losses <= 1e-4 and norms <= 1e-3, f"{name}: losses differ by {losses:.1e} (<= 1e-4), norms by {norms:.1e} (<= 1e-3)")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = Data(folder)
        for family, settings in FREEZE.items():
            hf, trained = folder / family, model(family, 1)
            trained.save_pretrained(hf)
            whole = torch_curve(trained, data)
            for which, freeze in settings.items():
                want = torch_curve(trained, data, freeze=freeze)
                ok(relative(want[1], whole[1]) > 1e-2, f"{family} frozen {which}: it makes a difference")
                close(f"{family} frozen {which}", our_curve(hf, data, "fp32", "--freeze", ",".join(freeze)), want)
            if family in UNDECAYED:
                skip, more = UNDECAYED[family], ["--weight-decay", 100]
                want = torch_curve(trained, data, undecayed=skip, decay_by=100)
                ok(relative(want[0], torch_curve(trained, data, decay_by=100)[0]) > 1e-3, f"{family} mask: it makes a difference")
                close(f"{family} weight decay but for {' '.join(skip)}",
                      our_curve(hf, data, "fp32", "--weight-decay-skip", ",".join(skip), *more), want)
    done()


main()
