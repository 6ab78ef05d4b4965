#!/usr/bin/env bash
# MB of text a second of processor time with LLM-jp's Unigrams: llm-tokenize's encoder
# beside SentencePiece and Hugging Face's tokenizers (see tokenize_unigram.py).
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../../build/venv/bin/python}
for module in tokenizers sentencepiece; do
    "$python" -c "import $module" 2>/dev/null || {
        echo "tokenize_unigram: no Python with $module (PYTHON=): skipped"
        exit 0
    }
done
exec "$python" "$here/tokenize_unigram.py"
