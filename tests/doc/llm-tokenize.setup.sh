# shellcheck shell=bash
# The files that the examples of llm-tokenize(1) read.
tar --sort=name -C "$LLM_SRC" -czf man.tar.gz man
cp "$LLM_SRC"/README.md story.txt
mkdir -p usr/share/man/ja/man1 docs
printf '.TH x 1\n.SH 名前\nx \\- とても短いマニュアルの日本語のページです。\n' | gzip >usr/share/man/ja/man1/x.1.gz
tar -cJf data.tar.xz usr
printf '2.0\n' >debian-binary
{
    printf '!<arch>\n'
    for m in debian-binary data.tar.xz; do
        printf '%-16s%-12s%-6s%-6s%-8s%-10s`\n' "$m" 0 0 0 100644 "$(stat -c %s $m)"
        cat $m
        [ $(($(stat -c %s $m) % 2)) -eq 0 ] || printf '\n'
    done
} >x.deb
seq 1 1000 | sed 's/.*/{"text":"This is the document number & of the corpus."}/' | zstd -q >corpus.jsonl.zst
cp story.txt docs
cat >chatml.jinja <<'T'
{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
T
echo '{"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]}' >talks.jsonl
