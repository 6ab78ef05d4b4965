# Made by completions/generate from llm-shuffle --dump-options.
_llm_shuffle() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $prev in
    --output|-o) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --dedup) mapfile -t COMPREPLY < <(compgen -W "none exact minhash" -- "$cur"); return ;;
    --dedup-report) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --split) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --log) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --on-error) mapfile -t COMPREPLY < <(compgen -W "stop skip" -- "$cur"); return ;;
    --tmpdir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --level|--weight|--epochs|--tokens|--pack|--threads|--seed|--memory) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--output -o --level --weight --epochs --tokens --dedup --dedup-report --split --no-shuffle --pack --best-fit --verify --salvage --help -h --version --quiet -q --verbose -v --threads --seed --config --log --progress --no-progress --on-error --memory --tmpdir" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _llm_shuffle llm-shuffle
