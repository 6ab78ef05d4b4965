#!/usr/bin/env python3
"""A reader of shards of its own, written from llm-shard(5): Python's standard library and the
commands zstd and xxhsum.

    _reader.py SHARD            prints a line a document: source, bytes, hash, ids (! = loss off)

Exit status 3 with a message when anything does not fit.
"""
import re
import struct
import subprocess
import sys

MAGIC = 0x184D2A57
NONE = 0xFFFFFFFF


class Corrupt(Exception):
    pass


def need(condition, fact):
    if not condition:
        raise Corrupt(fact)


def xxh(algorithm, data):
    """xxhsum prints the canonical form, big endian, among words that depend on its version."""
    out = subprocess.run(["xxhsum", f"-H{algorithm}", "-"], input=data, capture_output=True, check=True)
    return int(re.search(rb"\b(?:XXH3_)?([0-9a-f]{16})\b", out.stdout).group(1), 16)


def xxh3_64(data):
    return xxh(3, data)


class Fields:
    """Reads fields of a payload in order."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, n):
        need(self.at + n <= len(self.data), "a payload is too short")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "little")

    def u8(self):
        return self.number(1)

    def u16(self):
        return self.number(2)

    def u32(self):
        return self.number(4)

    def u64(self):
        return self.number(8)

    def leb128(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(byte != 0 or shift == 7, "a LEB128 is longer than it need be")
                need(value < 1 << 64, "a LEB128 is too large")
                return value

    def end(self):
        need(self.at == len(self.data), "a payload is too long")


def frames(data):
    """(offset, kind, payload or DATA frame, trailer) of each frame; None for foreign ones."""
    at = 0
    data_bytes = None
    while at < len(data):
        need(at + 8 <= len(data), f"offset {at}: cut in a frame's header")
        magic, size = struct.unpack_from("<II", data, at)
        if magic == 0xFD2FB528:
            need(data_bytes is not None, f"offset {at}: DATA without BLOCK")
            need(at + data_bytes <= len(data), f"offset {at}: cut in DATA")
            yield at, "DATA", data[at:at + data_bytes], b""
            at += data_bytes
            data_bytes = None
            continue
        need(magic & 0xFFFFFFF0 == 0x184D2A50, f"offset {at}: not a frame")
        body = data[at + 8:at + 8 + size]
        need(len(body) == size, f"offset {at}: cut in a frame")
        if magic != MAGIC or body[:3] != b"LTS":
            at += 8 + size
            yield at, None, b"", b""
            continue
        tag = body[:4].decode("latin-1")
        extra = 24 if tag == "LTST" else 0
        payload, trailer = body[:size - 8 - extra], body[size - extra:]
        stored = int.from_bytes(body[size - 8 - extra:size - extra], "little")
        need(stored == xxh3_64(payload), f"offset {at}: hash of {tag}")
        if tag == "LTSB":
            data_bytes = int.from_bytes(payload[-12:-8], "little")
        yield at, tag, payload, trailer
        at += 8 + size


def read_head(f):
    need(f.u8() == 1, "major version")
    f.u8()
    head = {"width": f.u8()}
    need(f.u8() == 0, "reserved byte")
    head["vocabulary"] = f.u32()
    head["specials"] = [f.u32() for _ in range(4)]
    head["fingerprint"] = f.take(16)
    head["seq_length"] = f.u32()
    head["flags"] = f.u32()
    head["seed"] = f.u64()
    head["minhash"] = f.u16() * f.u16()
    head["provenance"] = f.take(f.u32()).decode()
    f.end()
    need(head["width"] == (2 if head["vocabulary"] <= 65536 else 3), "width")
    for special in head["specials"]:
        need(special == NONE or special < head["vocabulary"], "special id")
    return head


def read_mask(f, tokens):
    mask = []
    on = False
    while len(mask) < tokens:
        mask += [on] * f.leb128()
        on = not on
    need(len(mask) == tokens, "loss mask")
    return mask


def read_spans(f, head, count):
    for _ in range(count):
        span = {"tokens": f.leb128(), "source": f.leb128(), "flags": f.u8()}
        need(span["flags"] in (0, 1, 2, 3, 4), "span flags")
        if span["flags"] & 1:
            span["bytes"] = f.leb128()
            span["hash"] = f.u64()
            span["minhash"] = [f.u32() for _ in range(head["minhash"] if head["flags"] & 4 else 0)]
        span["mask"] = read_mask(f, span["tokens"]) if head["flags"] & 2 else [True] * span["tokens"]
        yield span


class Segment:
    def __init__(self, offset, head):
        self.offset, self.head = offset, head
        self.names = []
        self.sources = []
        self.rows = []
        self.tokens = self.documents = self.bytes = self.chain = 0
        self.open = None

    def source(self, f):
        need(f.u16() == len(self.names), "a source's number")
        f.take(f.u8()).decode()
        name = f.take(f.u16()).decode()
        f.end()
        need(name not in self.names, "a source's name")
        self.names.append(name)
        self.sources.append([0, 0, 0])

    def block(self, offset, payload, ids_of):
        f = Fields(payload)
        f.take(4)
        number, tokens, first_token, first_document = f.u32(), f.u32(), f.u64(), f.u64()
        begun, spans = f.u32(), f.u32()
        table = Fields(f.take(f.u32()))
        need((number, first_token, first_document) == (len(self.rows), self.tokens, self.documents),
             f"offset {offset}: order of blocks")
        ids_hash = f.u64()
        h = xxh3_64(payload[:f.at])
        data_bytes, data_hash = f.u32(), f.u64()
        f.end()
        ids = ids_of(data_bytes, data_hash, ids_hash, tokens)
        self.rows.append((offset - self.offset, first_token, first_document, h))
        self.chain = xxh3_64(struct.pack("<QQ", self.chain, h))
        self.tokens += tokens
        at = 0
        for span in read_spans(table, self.head, spans):
            need(span["source"] < len(self.names), "a span's source")
            self.span(span, ids[at:at + span["tokens"]])
            at += span["tokens"]
        table.end()
        need(at == tokens and self.documents - first_document == begun, f"offset {offset}: spans")

    def span(self, span, ids):
        words = [f"{i}{'' if on else '!'}" for i, on in zip(ids, span["mask"])]
        total = self.sources[span["source"]]
        total[2] += span["tokens"]
        if span["flags"] == 4:
            print(" ".join(["padding"] + words))
            return
        need(bool(span["flags"] & 1) == (self.open is None), "documents overlap")
        if span["flags"] & 1:
            self.documents += 1
            self.bytes += span["bytes"]
            total[0] += 1
            total[1] += span["bytes"]
            self.open = [self.names[span["source"]], str(span["bytes"]), f"{span['hash']:016x}"]
        self.open += words
        if span["flags"] & 2:
            print(" ".join(self.open))
            self.open = None

    def tail(self, f, trailer, end, frame):
        need([f.u64() for _ in range(5)] ==
             [len(self.rows), self.documents, self.bytes, self.tokens, self.chain], "tail's counts")
        more = f.u8()
        need(f.u32() == len(self.sources), "tail's sources")
        for number, total in enumerate(self.sources):
            need(f.u16() == number and [f.u64() for _ in range(3)] == total, "tail's source")
        for row in self.rows:
            need(tuple(f.u64() for _ in range(4)) == row, "tail's block")
        f.end()
        need(trailer == struct.pack("<QQ", end - self.offset, frame) + b"LTSEND1\n", "tail's lengths")
        need(self.open is None, "the last document does not end")
        return more


def read(data):
    first = segment = None
    more = 0
    stream = frames(data)
    for offset, tag, payload, trailer in stream:
        fields = Fields(payload)
        if tag:
            fields.take(min(4, len(payload)))
        if tag == "LTSH":
            need(segment is None, f"offset {offset}: HEAD inside a segment")
            head = read_head(fields)
            keys = ("vocabulary", "specials", "fingerprint", "seq_length")
            first = first or head
            need(all(first[k] == head[k] for k in keys) and first["flags"] & 2 == head["flags"] & 2,
                 f"offset {offset}: segments do not fit")
            segment = Segment(offset, head)
            continue
        if tag is None:
            continue
        need(segment, f"offset {offset}: {tag} before HEAD")
        if tag == "LTSS":
            segment.source(fields)
        elif tag == "LTSB":
            def ids_of(data_bytes, data_hash, ids_hash, tokens):
                _, kind, frame, _ = next(stream, (0, "", b"", b""))
                need(kind == "DATA" and len(frame) == data_bytes, "DATA is missing")
                need(xxh3_64(frame) == data_hash, "hash of DATA")
                content = subprocess.run(["zstd", "-dcq"], input=frame, capture_output=True).stdout
                width = segment.head["width"]
                need(len(content) == tokens * width and xxh3_64(content) == ids_hash, "hash of the ids")
                ids = [int.from_bytes(content[i:i + width], "little") for i in range(0, len(content), width)]
                need(all(i < segment.head["vocabulary"] for i in ids), "an id")
                return ids
            segment.block(offset, payload, ids_of)
        elif tag == "LTST":
            frame = 8 + len(payload) + 8 + 24
            more = segment.tail(fields, trailer, offset + frame, frame)
            segment = None
        else:
            need(tag[3].islower(), f"offset {offset}: {tag}")
    need(first and segment is None and not more, "the end is missing")


if __name__ == "__main__":
    try:
        with open(sys.argv[1], "rb") as f:
            read(f.read())
    except Corrupt as e:
        sys.stdout.flush()
        print(f"{sys.argv[1]}: {e}", file=sys.stderr)
        sys.exit(3)
