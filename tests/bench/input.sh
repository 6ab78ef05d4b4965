#!/usr/bin/env bash
# MB of unpacked input a second of processor time of llm-tokenize --count (unpacking, records,
# markup, charset, no encoding), one thread: a .warc.gz of HTML and a WET file beside gzip -dc
# and Python's warcio (skipped where it is absent), a Debian package beside xz -dc, JSON lines
# beside cat. LLM_BENCH_MB (60): how much of each.
python=${PYTHON:-python3}
"$python" - <<'P'
import gzip, io, json, lzma, os, pathlib, resource, subprocess, sys, tarfile

BIN = pathlib.Path(os.environ.get("LLM_BIN", "build")) / "llm-tokenize"
LIMIT = float(os.environ.get("LLM_BENCH_MB", 60)) * 1e6


def texts():
    """Documentation of this machine, over and over until it is enough."""
    found, size = [], 0
    for path in sorted(pathlib.Path("/usr/share").rglob("*")):
        if size < 8e6 and path.is_file() and path.suffix in ("", ".txt", ".md", ".pm", ".h", ".html"):
            try:
                found.append(path.read_bytes().decode()[:60000])
                size += len(found[-1])
            except (UnicodeDecodeError, OSError):
                pass
    size = 0
    while size < LIMIT:
        for t in found:
            yield t
            size += len(t.encode())
            if size >= LIMIT:
                return


def record(kind, block):
    return ("WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: http://x/\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (
        kind, "text/plain" if kind == "conversion" else "application/http; msgtype=response", len(block))).encode() + block + b"\r\n\r\n"


def make():
    """The files, and the bytes that they unpack to."""
    sizes = {}
    with open("a.warc.gz", "wb") as warc, open("a.wet.gz", "wb") as wet, open("a.jsonl", "wb") as jsonl, \
            lzma.open("data.tar.xz", "wb", preset=1) as xz, tarfile.open(fileobj=xz, mode="w|") as tar:
        for i, t in enumerate(texts()):
            html = "<html><head><title>t</title></head><body>%s</body></html>" % "".join(
                "<p class=\"x\">%s</p>\n" % p.replace("&", "&amp;").replace("<", "&lt;") for p in t.split("\n\n"))
            block = record("response", b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html.encode())
            for name, out, data in (("a.warc.gz", warc, block), ("a.wet.gz", wet, record("conversion", t.encode()))):
                out.write(gzip.compress(data, 6))
                sizes[name] = sizes.get(name, 0) + len(data)
            line = (json.dumps({"id": i, "text": t}, ensure_ascii=False) + "\n").encode()
            jsonl.write(line)
            sizes["a.jsonl"] = sizes.get("a.jsonl", 0) + len(line)
            info = tarfile.TarInfo("usr/share/doc/%d" % i)
            info.size = len(t.encode())
            tar.addfile(info, io.BytesIO(t.encode()))
            sizes["a.deb"] = sizes.get("a.deb", 0) + info.size
    data = pathlib.Path("data.tar.xz").read_bytes()
    with open("a.deb", "wb") as deb:
        deb.write(b"!<arch>\n")
        for name, content in (b"debian-binary", b"2.0\n"), (b"data.tar.xz", data):
            deb.write(b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", len(content)) + content + b"\n" * (len(content) % 2))
    return sizes


def seconds(command, **more):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


WARCIO = """
import sys
from warcio.archiveiterator import ArchiveIterator
for r in ArchiveIterator(open(sys.argv[1], "rb")):
    if r.rec_type in ("response", "conversion"):
        r.content_stream().read()
"""


def main():
    sizes = make()
    has_warcio = not subprocess.run([sys.executable, "-c", "import warcio"], stderr=subprocess.DEVNULL).returncode
    if not has_warcio:
        print("no warcio for this Python: its figures are skipped")
    plain = {"a.warc.gz": ["gzip", "-dc", "a.warc.gz"], "a.wet.gz": ["gzip", "-dc", "a.wet.gz"],
             "a.deb": ["xz", "-dc", "data.tar.xz"], "a.jsonl": ["cat", "a.jsonl"]}
    ratios = []
    for name, size in sizes.items():
        ours, theirs, peer = [], [], []
        for _ in range(3):  # in turns
            ours.append(seconds([str(BIN), "-q", "--threads", "1", "--count", name]))
            theirs.append(seconds(plain[name]))
            if has_warcio and name in ("a.warc.gz", "a.wet.gz"):
                peer.append(seconds([sys.executable, "-c", WARCIO, name]))
        rate = size / 1e6 / min(ours)
        line = "%-10s %6.1f MB unpacked: llm-tokenize %7.1f MB/s, %s %7.1f" % (
            name, size / 1e6, rate, plain[name][0], size / 1e6 / max(min(theirs), 1e-3))
        ratios.append("%s %.0f MB/s, %.2f of %s" % (name, rate, min(theirs) / min(ours), plain[name][0]))
        if peer:
            line += ", warcio %.1f" % (size / 1e6 / min(peer))
            ratios.append("%.1f× warcio" % (min(peer) / min(ours)))
        print(line, flush=True)
    print("; ".join(ratios))


main()
P
