#!/usr/bin/env python3
"""The layers of common/ and cmd/, and the four "only there" rules.

Each folder includes headers of its own and of earlier layers only; folders of
one layer do not include each other.
"""
import os
import pathlib
import re

SRC = pathlib.Path(os.environ["LLM_SRC"])
LAYERS = [
    ["base"],
    ["json", "archive", "text", "kernels", "comm"],
    ["shard", "tokenizer", "model"],
    ["optim", "checkpoint", "eval"],
    ["parallel"],
    ["cmd"],
]
RANK = {folder: i for i, layer in enumerate(LAYERS) for folder in layer}

# (what, pattern of an offending line of code, paths where it may stand)
ONLY_THERE = [
    ("mpi.h is included only in common/parallel", r"^\s*#\s*include\s*[<\"]mpi\.h", r"common/parallel/"),
    ("intrinsics and assembly stand only in common/kernels/<isa>",
     r"^\s*#\s*include\s*<(\w*mmintrin|immintrin|x86intrin|arm_neon|arm_sve|cpuid)\.h>|\b_mm(256|512)?_\w+\s*\(",
     r"common/kernels/(avx2|avx512|amx|sve)/"),
    ("zstd and libarchive are used only in common/archive and common/shard",
     r"^\s*#\s*include\s*<(zstd\w*|archive|archive_entry)\.h>", r"common/(archive|shard)/"),
    ("stdout and exit are used only in cmd and base/die.c",
     r"(?<![\w.>])(stdout\b|(exit|printf|puts|putchar|vprintf)\s*\()", r"cmd/|common/base/die\.c"),
    # Stopping all ranks ends a process from below: the communicators' abort, and the end of MPI.
    ("_exit is called only where exit may be, and by the communicators",
     r"(?<![\w.>])_exit\s*\(", r"cmd/|common/base/die\.c|common/comm/single\.c|common/parallel/mpi_end\.c"),
]
count = failed = 0


def ok(passed, what, details=()):
    global count, failed
    count += 1
    failed += not passed
    print(f"{'' if passed else 'not '}ok {count} - {what}")
    for detail in details:
        print(f"# {detail}")


def code(path):
    """The lines of a file with comments and the contents of strings blanked."""
    text = path.read_text(encoding="utf-8")
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        piece = match.group(0)
        if piece.startswith("/"):
            return "\n" * piece.count("\n")
        return piece if re.match(r'"[\w/.-]+\.(h|inc)"', piece) else '""'

    return re.sub(pattern, blank, text, flags=re.S).splitlines()


def folder_of(relative):
    parts = relative.split("/")
    return "cmd" if parts[0] == "cmd" else parts[1]


def main():
    files = sorted(p for top in ("common", "cmd") for p in (SRC / top).rglob("*")
                   if p.suffix in (".c", ".h", ".inc"))
    sources = {str(p.relative_to(SRC)): code(p) for p in files}
    ok(len(sources) > 0, "there are sources")

    unknown = sorted({folder_of(f) for f in sources} - set(RANK))
    ok(not unknown, "every folder of common/ has a layer", unknown)

    wrong = []
    absent = []
    for name, lines in sources.items():
        own = folder_of(name)
        for number, line in enumerate(lines, 1):
            found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not found:
                continue
            path = found.group(1)
            near = (SRC / name).parent / path
            if not (SRC / "common" / path).exists() and not (SRC / path).exists() and not near.exists():
                absent.append(f"{name}:{number}: {path}")
            other = "cmd" if path.startswith("cmd/") else path.split("/")[0]
            if other in RANK and other != own and RANK[other] >= RANK.get(own, 0):
                wrong.append(f"{name}:{number}: {own} includes {path}")
    ok(not wrong, "each folder includes only earlier layers", wrong)
    ok(not absent, "what is included exists", absent)

    for what, pattern, allowed in ONLY_THERE:
        bad = [f"{name}:{number}: {line.strip()}" for name, lines in sources.items()
               if not re.match(allowed, name)
               for number, line in enumerate(lines, 1) if re.search(pattern, line)]
        ok(not bad, what, bad)

    banned = (SRC / "common/base/banned.h").read_text(encoding="utf-8")
    words = re.search(r"#pragma GCC poison (.*)", banned).group(1).split()
    bad = [f"{name}:{number}: {line.strip()}" for name, lines in sources.items()
           for number, line in enumerate(lines, 1)
           if re.search(rf"(?<![\w.>])({'|'.join(words)})\s*\(", line)]
    ok(len(words) > 10 and not bad, "no banned call, in code of other processors either", bad)
    makefile = (SRC / "GNUmakefile").read_text(encoding="utf-8")
    ok("-include common/base/banned.h" in makefile, "every file is compiled with base/banned.h")

    first = []
    for name, lines in sources.items():
        header = (SRC / name).with_suffix(".h")
        includes = [m.group(1) for m in (re.match(r'\s*#\s*include\s*[<"]([^>"]+)', l) for l in lines) if m]
        if name.endswith(".c") and header.exists() and includes and \
                pathlib.Path(includes[0]).name != header.name:
            first.append(f"{name}: begins with {includes[0]}")
    ok(not first, "each .c includes its own header first", first)
    print(f"1..{count}")
    return failed > 0


raise SystemExit(main())
