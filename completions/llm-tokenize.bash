# Made by completions/generate from llm-tokenize --dump-options.
_llm_tokenize() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $prev in
    --tokenizer|-t) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --output|-o) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --special) mapfile -t COMPREPLY < <(compgen -W "document tokenizer none" -- "$cur"); return ;;
    --special-text) mapfile -t COMPREPLY < <(compgen -W "parse plain" -- "$cur"); return ;;
    --loss) mapfile -t COMPREPLY < <(compgen -W "assistant last all" -- "$cur"); return ;;
    --chat-template) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --files-from) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W "auto text lines jsonl html man warc wikixml" -- "$cur"); return ;;
    --filter) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --train) mapfile -t COMPREPLY < <(compgen -W "bpe unigram" -- "$cur"); return ;;
    --byte-fallback) mapfile -t COMPREPLY < <(compgen -W "yes no" -- "$cur"); return ;;
    --normalization) mapfile -t COMPREPLY < <(compgen -W "none nfc nfkc nmt_nfkc" -- "$cur"); return ;;
    --split-digits) mapfile -t COMPREPLY < <(compgen -W "yes no" -- "$cur"); return ;;
    --split-by-whitespace) mapfile -t COMPREPLY < <(compgen -W "yes no" -- "$cur"); return ;;
    --split-by-script) mapfile -t COMPREPLY < <(compgen -W "yes no" -- "$cur"); return ;;
    --split-by-number) mapfile -t COMPREPLY < <(compgen -W "yes no" -- "$cur"); return ;;
    --extend) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --export) mapfile -t COMPREPLY < <(compgen -W "sentencepiece" -- "$cur"); return ;;
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --log) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --on-error) mapfile -t COMPREPLY < <(compgen -W "stop skip" -- "$cur"); return ;;
    --tmpdir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --source|--bos|--eos|--chat-variables|--chat-date|--include|--exclude|--json-field|--lang|--sample|--minhash|--max-member|--max-ratio|--max-depth|--max-members|--vocab-size|--special-tokens|--user-symbols|--character-coverage|--limit-alphabet|--pattern|--min-frequency|--max-piece-length|--seed-size|--shrink|--sub-iterations|--add|--threads|--seed|--memory) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--tokenizer -t --output -o --source --special --special-text --bos --eos --ids --decode --count --chat --preference --loss --chat-template --chat-variables --chat-date --files-from --null --include --exclude --format --json-field --lang --sample --filter --minhash --max-member --max-ratio --max-depth --max-members --train --vocab-size --special-tokens --user-symbols --character-coverage --limit-alphabet --byte-fallback --normalization --split-digits --split-by-whitespace --split-by-script --split-by-number --pattern --min-frequency --max-piece-length --seed-size --shrink --sub-iterations --extend --add --export --help -h --version --quiet -q --verbose -v --threads --seed --config --log --progress --no-progress --on-error --memory --tmpdir" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _llm_tokenize llm-tokenize
