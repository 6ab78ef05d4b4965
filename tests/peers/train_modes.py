#!/usr/bin/env python3
"""Loss curves of llm-train's modes against PyTorch: instruction sets, micro-batches, document mask, z-loss,
clipping, threads, recomputation; Llama with grouped queries, tied and not, and GPT-2.

fp32: losses of 30 steps differ by at most 1e-4, gradient norms by 1e-3 (relative). bf16: the largest distance to
PyTorch's fp32 curve is at most 1.5 times the largest of PyTorch's own bf16 autocast over the models; that is its spread.
Recomputation and threads change no bit. The slow table `ref` takes its first steps only (all with LLM_LONG=1).
timeout: 600
"""
import os
import pathlib
import tempfile

from _curves import STEPS, Data, done, largest_distance, model, ok, our_curve, relative, skip, torch_curve

FAMILIES = "llama", "llama-tied", "gpt2"
FEW = 4  # steps
Z, CLIP = 0.01, 0.3
# What PyTorch is told, and the same for llm-train.
SETTINGS = {
    "z-loss": (dict(z=Z), ["--z-loss", Z]),
    "clipping every step": (dict(clip=CLIP), ["--clip", CLIP]),
    "attention across documents": (dict(document_mask=False), ["--document-mask", "no"]),
}


def tables():
    """The kernel tables that this CPU runs."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    needs = {"ref": [], "avx2": ["avx2", "fma"], "avx512": ["avx512f", "avx512bw", "avx512vl"]}
    for isa, wanted in needs.items():
        if all(f in flags for f in wanted):
            yield isa
        else:
            skip(f"LLM_ISA={isa}", f"this CPU lacks {' '.join(wanted)}")


def close(name, got, want):
    """fp32 against PyTorch's (losses, norms)."""
    losses, norms = relative(got[0], want[0]), relative(got[1], want[1])
    ok(losses <= 1e-4 and norms <= 1e-3, f"{name}: losses differ by {losses:.1e} (<= 1e-4), norms by {norms:.1e} (<= 1e-3)")


def table_curve(hf, data, precision, isa):
    few = isa == "ref" and not os.environ.get("LLM_LONG")
    return our_curve(hf, data, precision, isa=isa, steps=FEW if few else STEPS)


def same_bits(name, hf, data, precision):
    curve = our_curve(hf, data, precision, steps=FEW)
    for more in (["--recompute", "selective"], ["--recompute", "full"], ["--threads", 3]):
        got = our_curve(hf, data, precision, *more, steps=FEW)
        ok(got == curve, f"{name} {precision} {' '.join(map(str, more))}: the same bits")


def fp32(hf, family, trained, data, isas):
    want = torch_curve(trained, data)
    for isa in isas:
        close(f"{family} fp32 {isa}", table_curve(hf, data, "fp32", isa), want)
    micro = 4 if family == "llama" else 2
    close(f"{family} fp32 micro-batch {micro}", our_curve(hf, data, "fp32", "--micro-batch", micro), want)
    same_bits(family, hf, data, "fp32")
    for name, (torch_options, our_options) in SETTINGS.items():
        if family != "llama":
            close(f"{family} fp32 {name}", our_curve(hf, data, "fp32", *our_options), torch_curve(trained, data, **torch_options))
    return want[0]


def bf16(hf, family, data, want, isas):
    """Name and distance to PyTorch's fp32 losses of each way to train in bf16."""
    same_bits(family, hf, data, "bf16")
    yield f"{family} bf16", largest_distance(our_curve(hf, data, "bf16")[0], want)
    for isa in isas:
        yield f"{family} bf16 {isa}", largest_distance(table_curve(hf, data, "bf16", isa)[0], want)
    yield f"{family} bf16 micro-batch 4", largest_distance(our_curve(hf, data, "bf16", "--micro-batch", 4)[0], want)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data, isas, spread, found = Data(folder), list(tables()), 0, []
        for family in FAMILIES:
            hf, trained = folder / family, model(family, 1)
            trained.save_pretrained(hf)
            want = fp32(hf, family, trained, data, isas)
            spread = max(spread, largest_distance(torch_curve(trained, data, autocast=True)[0], want))
            found += bf16(hf, family, data, want, isas)
        for text, distance in found:
            ok(distance <= 1.5 * spread, f"{text}: largest distance {distance:.2e}, autocast's {spread:.2e} (<= 1.5 times)")
    done()


main()
