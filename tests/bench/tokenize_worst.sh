#!/usr/bin/env bash
# Inputs made to be slow, one megabyte each (words, runs, marks, emoji), beside ordinary
# text: time per byte. The last line is the worst ratio; 4 is the most there should be.
here=$(cd "$(dirname "$0")" && pwd)
exec "${PYTHON:-python3}" "$here/tokenize_worst.py"
