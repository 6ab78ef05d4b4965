#!/usr/bin/env bash
# Training of a tokenizer: llm-tokenize beside SentencePiece (Unigram, BPE) and Hugging
# Face's BpeTrainer: time, memory and bytes per token (see train_tokenizer.py).
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../../build/venv/bin/python}
for module in tokenizers sentencepiece; do
    "$python" -c "import $module" 2>/dev/null ||
        echo "train_tokenizer: no Python with $module (PYTHON=): its rows are skipped"
done
exec "$python" "$here/train_tokenizer.py"
