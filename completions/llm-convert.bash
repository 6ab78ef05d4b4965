# Made by completions/generate from llm-convert --dump-options.
_llm_convert() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $prev in
    --to) mapfile -t COMPREPLY < <(compgen -W "hf checkpoint gguf shard megatron llm.c nanogpt ds llama2.c peft" -- "$cur"); return ;;
    --from) mapfile -t COMPREPLY < <(compgen -W "hf checkpoint gguf shard megatron llm.c nanogpt ds llama2.c peft" -- "$cur"); return ;;
    --dtype) mapfile -t COMPREPLY < <(compgen -W "fp32 bf16 fp16 q8_0" -- "$cur"); return ;;
    --extend-vocabulary) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --tokenizer) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --log) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --on-error) mapfile -t COMPREPLY < <(compgen -W "stop skip" -- "$cur"); return ;;
    --tmpdir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --max-shard-size|--eos|--threads|--seed|--memory) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--to --from --dtype --max-shard-size --average --extend-vocabulary --verify --force --tokenizer --eos --info --history --json --help -h --version --quiet -q --verbose -v --threads --seed --config --log --progress --no-progress --on-error --memory --tmpdir" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _llm_convert llm-convert
