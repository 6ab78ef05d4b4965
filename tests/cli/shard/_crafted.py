#!/usr/bin/env python3
"""Shards that lie with all hashes right.

    _crafted.py SHARD head OFFSET WORD   the u32 at OFFSET of HEAD's payload replaced, in SHARD.head
    _crafted.py SHARD tail OFFSET WORD   the same of TAIL
    _crafted.py SHARD SEED COUNT         COUNT shards SHARD.0 …, each with a few bytes of its metadata changed

The shard must have one segment.
"""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _reader import MAGIC, frames, xxh3_64  # noqa: E402


def block_fields_end(payload):
    """Where BLOCK's ids hash ends: behind it stand only the length and hash of DATA."""
    return len(payload) - 12


def write(path, parts):
    """The frames with their hashes made right, and the tail's as far as it still has the form."""
    chain, links, out = 0, [], []
    for kind, payload, trailer in parts:
        if kind == "DATA":
            out.append(payload)
            continue
        payload = bytes(payload)
        if kind == "LTSB":
            links.append(xxh3_64(payload[:block_fields_end(payload)]))
            chain = xxh3_64(struct.pack("<QQ", chain, links[-1]))
        if kind == "LTST" and len(payload) >= 49 + 32 * len(links):
            first = len(payload) - 32 * len(links)
            tail = bytearray(payload)
            tail[36:44] = struct.pack("<Q", chain)
            for i, h in enumerate(links):
                tail[first + 32 * i + 24:first + 32 * i + 32] = struct.pack("<Q", h)
            payload = bytes(tail)
        body = payload + struct.pack("<Q", xxh3_64(payload)) + trailer
        out.append(struct.pack("<II", MAGIC, len(body)) + body)
    with open(path, "wb") as f:
        f.write(b"".join(out))


def change(rng, parts):
    changed = [[kind, bytearray(payload), trailer] for kind, payload, trailer in parts]
    metadata = [p for p in changed if p[0] != "DATA"]
    for _ in range(rng.randint(1, 3)):
        payload = rng.choice(metadata)[1]
        at = rng.randrange(4, len(payload))
        payload[at] = rng.choice([0, 1, 4, 127, 128, 255, rng.randrange(256), payload[at] ^ 1])
    return changed


def main():
    path = sys.argv[1]
    with open(path, "rb") as f:
        parts = [(kind, payload, trailer) for _, kind, payload, trailer in frames(f.read())]
    if sys.argv[2] in ("head", "tail"):
        which = 0 if sys.argv[2] == "head" else -1
        kind, payload, trailer = parts[which]
        at = int(sys.argv[3])
        payload = payload[:at] + struct.pack("<I", int(sys.argv[4], 0)) + payload[at + 4:]
        parts[which] = (kind, payload, trailer)
        write(path + "." + sys.argv[2], parts)
        return
    rng = random.Random(int(sys.argv[2]))
    for i in range(int(sys.argv[3])):
        write(f"{path}.{i}", change(rng, parts))


if __name__ == "__main__":
    main()
