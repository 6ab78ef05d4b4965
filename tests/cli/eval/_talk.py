"""A talk in a pseudo-terminal: Ctrl-C while an answer is written, then at the prompt.

usage: _talk.py COMMAND…    exit status 0 when it went as it should
"""
import os
import pty
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""


def await_text(text):
    """Reads until the text has come."""
    global seen
    while text not in seen:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            more = b""
        if not more:
            sys.exit(f"the end before {text}: {seen[-300:]}")
        seen += more
    before, _, seen = seen.partition(text)
    return before


await_text(b"> ")
os.write(terminal, b"The nane\x7f\x7fme\n")  # the terminal edits the line
await_text(b"\n")
while len(seen) < 40:  # some of the answer
    seen += os.read(terminal, 4096)
os.write(terminal, b"\x03")
await_text(b"\n> ")
os.write(terminal, b"/help\n")
await_text(b"Ctrl-D")
await_text(b"\n> ")
os.write(terminal, b"\x03")
status = os.waitpid(pid, 0)[1]
sys.exit(f"status {status}" if status else 0)
