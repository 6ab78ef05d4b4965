#!/usr/bin/env python3
"""Token data as Megatron's and datatrove's own code writes and reads it, byte for byte.

Megatron's IndexedDatasetBuilder and datatrove's TokenizedFile write the documents of a
shard: our files must be theirs, and theirs must become the same documents again. The fields' own
readers (IndexedDataset, DatatroveFileDataset) read our files.
"""
import pathlib
import warnings

from _common import BIN, SRC, done, ok, run, skip

warnings.filterwarnings("ignore")


def fixture():
    pathlib.Path("a.txt").write_text((SRC / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    run("llm-tokenize", "-q", "--train", "bpe", "--vocab-size", 400, "--format", "lines", "-o", "tokenizer.json", "a.txt")
    run("llm-tokenize", "-q", "-t", "tokenizer.json", "--format", "lines", "-o", "a.shard", "a.txt")
    lines = run("llm-tokenize", "-q", "--ids", "a.shard").splitlines()
    return [[int(i) for i in line.split()] for line in lines]


def ids_of(shard):
    return [[int(i) for i in line.split()] for line in run("llm-tokenize", "-q", "--ids", shard).splitlines()]


def same_bytes(a, b):
    return pathlib.Path(a).read_bytes() == pathlib.Path(b).read_bytes()


def megatron(documents):
    try:
        import numpy
        import torch
        from megatron.core.datasets.indexed_dataset import IndexedDataset, IndexedDatasetBuilder
    except ImportError as error:
        return skip("Megatron's indexed dataset", error)
    for name, dtype in (("m16", numpy.uint16), ("m32", numpy.int32)):
        builder = IndexedDatasetBuilder(f"{name}.bin", dtype=dtype)
        for document in documents:
            builder.add_document(torch.tensor(document), [len(document)])
        builder.finalize(f"{name}.idx")
        run("llm-convert", "-q", "--from", "megatron", "--tokenizer", "tokenizer.json", "--eos", "none",
            name, f"{name}.shard")
        ok(ids_of(f"{name}.shard") == documents, f"{name}: the builder's files become the documents")
    run("llm-convert", "-q", "--to", "megatron", "m16.shard", "ours")
    ok(same_bytes("ours.bin", "m16.bin"), "our .bin is the builder's")
    ok(same_bytes("ours.idx", "m16.idx"), "our .idx is the builder's")
    dataset = IndexedDataset("ours")
    ok(len(dataset) == len(documents) and all(dataset[i].tolist() == d for i, d in enumerate(documents)),
       "IndexedDataset reads ours")
    # Several sequences a document, an empty one, and a merge of two files as merge_datasets.py makes it.
    builder = IndexedDatasetBuilder("parts.bin", dtype=numpy.uint16)
    for document in documents[:5]:
        half = len(document) // 2
        builder.add_document(torch.tensor(document), [half, len(document) - half])
    builder.add_index("m16")
    builder.finalize("parts.idx")
    run("llm-convert", "-q", "--from", "megatron", "--tokenizer", "tokenizer.json", "--eos", "none", "parts", "parts.shard")
    ok(ids_of("parts.shard") == documents[:5] + documents, "sequences of a document are joined, merges read")
    return None


def datatrove(documents):
    try:
        import numpy
        from datatrove.pipeline.tokens.tokenizer import TokenizedFile
    except ImportError as error:
        return skip("datatrove's files", error)
    def encode(ids, format):
        return numpy.array(ids, dtype=format).tobytes()
    for name, size, format in (("d2.ds", 2, "<u2"), ("d4.ds", 4, "<u4")):
        out = TokenizedFile(".", name, save_final_metadata=True, tokenizer_name_or_path="tokenizer.json",
                            token_size=size)
        for document in documents:
            out.write_bytes(encode(document, format))
        out.close()
        run("llm-convert", "-q", "--from", "ds", "--tokenizer", "tokenizer.json", "--eos", "none", name, f"{name}.shard")
        ok(ids_of(f"{name}.shard") == documents, f"{name}: datatrove's files become the documents")
    run("llm-convert", "-q", "--to", "ds", "--tokenizer", "tokenizer.json", "d2.ds.shard", "ours.ds")
    for suffix in ("", ".index", ".metadata"):
        ok(same_bytes(f"ours.ds{suffix}", f"d2.ds{suffix}"), f"our .ds{suffix} is datatrove's")
    out = TokenizedFile(".", "loss.ds", save_loss_metadata=True, token_size=2)
    for document in documents:
        out.write_bytes(encode(document, "<u2"))
        out.write_loss_bytes(bytes((k % 3 > 0) for k in range(len(document))))
    out.close()
    run("llm-convert", "-q", "--from", "ds", "--tokenizer", "tokenizer.json", "--eos", "none", "loss.ds", "loss.shard")
    run("llm-convert", "-q", "--to", "ds", "loss.shard", "ourloss.ds")
    ok(same_bytes("ourloss.ds.loss", "loss.ds.loss"), "loss masks go both ways")
    return None


documents = fixture()
megatron(documents)
datatrove(documents)
done()
