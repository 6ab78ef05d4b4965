#!/usr/bin/env bash
# MB of text a second of processor time: llm-tokenize (JSON lines to a shard, one
# thread) beside Hugging Face's tokenizers and SentencePiece (text to ids).
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../../build/venv/bin/python}
if ! "$python" -c 'import tokenizers, sentencepiece' 2>/dev/null; then
    echo "tokenize: no Python with tokenizers and sentencepiece (PYTHON=): skipped" >&2
    exit 0
fi
exec "$python" "$here/tokenize_peers.py"
