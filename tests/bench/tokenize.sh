#!/usr/bin/env bash
# MB of text a second of processor time: llm-tokenize beside fastokens, gigatoken,
# Hugging Face's tokenizers and SentencePiece (see tokenize_peers.py).
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../../build/venv/bin/python}
for module in tokenizers sentencepiece fastokens gigatoken; do
    "$python" -c "import $module" 2>/dev/null || echo "tokenize: no Python with $module (PYTHON=): its column is skipped"
done
exec "$python" "$here/tokenize_peers.py"
