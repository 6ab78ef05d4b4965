"""The tensors of safetensors files, as anyone reads them."""
import glob
import json
import struct


def tensors(pattern):
    """(name, shape, bytes) of each tensor in the files."""
    for path in sorted(glob.glob(pattern, recursive=True)):
        with open(path, "rb") as f:
            data = f.read()
        begin = 8 + struct.unpack("<Q", data[:8])[0]
        for name, t in sorted(json.loads(data[8:begin]).items()):
            if name != "__metadata__":
                yield name, t["shape"], data[begin + t["data_offsets"][0]:begin + t["data_offsets"][1]]
