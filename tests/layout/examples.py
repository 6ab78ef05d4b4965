#!/usr/bin/env python3
"""The EXAMPLES of the manual pages run.  (timeout: 300)

Each `.Bd -literal` block of the section is a bash script, run with -e and
pipefail; in a block with lines that begin with "$ " only those are run (and
those after them that begin with "> "). The blocks of a page run one after the
other in one directory, prepared by tests/doc/PAGE.setup.sh, PAGE with or without
its section. A block after a line `.\\" not run: WHY` is skipped.
"""
import os
import pathlib
import re
import subprocess

SRC = pathlib.Path(os.environ["LLM_SRC"])
ESCAPES = {r"\(aq": "'", r"\(dq": '"', r"\(ti": "~", r"\(ha": "^", r"\(ga": "`", r"\(rs": "\\",
           r"\(en": "-", r"\(bv": "|", r"\e": "\\", r"\-": "-", r"\&": "", r"\ ": " "}
count = failed = 0


def unescape(text):
    return re.sub(r"\\(\(..|.)", lambda m: ESCAPES.get(m.group(0), m.group(0)), text)


def blocks(page):
    """(script, reason why it is not run or None) of each example."""
    section = re.search(r"^\.Sh EXAMPLES\n(.*?)(?=^\.Sh |\Z)", page.read_text(encoding="utf-8"), re.M | re.S)
    reason = None
    lines = None
    for line in section.group(1).splitlines() if section else []:
        found = re.match(r'\.\\" not run: (.*)', line)
        if found:
            reason = found.group(1)
        elif re.match(r"\.(Bd .*-(literal|unfilled)|Dl )", line) and lines is None:
            if line.startswith(".Dl "):
                yield unescape(line[4:]), reason
                reason = None
            else:
                lines = []
        elif line.startswith(".Ed") and lines is not None:
            yield script_of(lines), reason
            reason = lines = None
        elif lines is not None and not line.startswith("."):
            lines.append(unescape(line))


def script_of(lines):
    if not any(line.startswith("$ ") for line in lines):
        return "\n".join(lines)
    return "\n".join(line[2:] for line in lines if line.startswith(("$ ", "> ")))


def run(script, folder):
    env = dict(os.environ, PATH=os.environ["LLM_BIN"] + ":" + os.environ["PATH"])
    return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=folder, env=env,
                          stdin=subprocess.DEVNULL, capture_output=True)


def report(passed, what, result=None, script=""):
    global count, failed
    count += 1
    failed += not passed
    print(f"{'' if passed else 'not '}ok {count} - {what}", flush=True)
    if not passed:
        text = script + "\n" + result.stderr.decode(errors="replace")[-2000:]
        print(f"# exit status {result.returncode}\n# " + text.replace("\n", "\n# "))


def main():
    global count
    for page in sorted((SRC / "man").glob("*.[157]")):
        examples = list(blocks(page))
        if not examples:
            continue
        folder = pathlib.Path(page.name)
        folder.mkdir()
        for setup in (f"{page.stem}.setup.sh", f"{page.name}.setup.sh"):
            path = SRC / "tests/doc" / setup
            if path.exists():
                result = run(path.read_text(encoding="utf-8"), folder)
                report(result.returncode == 0, f"{setup} runs", result)
        for number, (script, reason) in enumerate(examples, 1):
            what = f"{page.name}: example {number}: {script.splitlines()[0] if script else ''}".replace("#", "")
            if reason:
                count += 1
                print(f"ok {count} - {what} # SKIP {reason}")
                continue
            result = run(script, folder)
            report(result.returncode == 0, what, result, script)
    print(f"1..{count}")
    return failed > 0 or not count


raise SystemExit(main())
