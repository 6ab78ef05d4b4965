# Made by completions/generate from llm-eval --dump-options.
_llm_eval() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $prev in
    --document-mask) mapfile -t COMPREPLY < <(compgen -W "yes no" -- "$cur"); return ;;
    --json) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --prompts) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --mt-bench) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --precision) mapfile -t COMPREPLY < <(compgen -W "fp32 bf16" -- "$cur"); return ;;
    --hosts) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --task) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --data) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --log-samples) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --make-requests) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --requests) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --results) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --markdown) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --log) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --on-error) mapfile -t COMPREPLY < <(compgen -W "stop skip" -- "$cur"); return ;;
    --tmpdir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --seq-length|--stride|--generate|--max-new|--temperature|--top-p|--top-k|--stop|--repetition-penalty|--batch|--system|--ranks|--tensor-parallel|--shots|--limit|--words-command|--compare|--min-score|--threads|--seed|--memory) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--seq-length --document-mask --rolling --stride --json --generate --prompts --max-new --temperature --top-p --top-k --stop --repetition-penalty --batch --chat --system --interactive --mt-bench --precision --ranks --tensor-parallel --hosts --task --info --data --shots --limit --log-samples --make-requests --requests --results --words-command --markdown --compare --min-score --help -h --version --quiet -q --verbose -v --threads --seed --config --log --progress --no-progress --on-error --memory --tmpdir" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _llm_eval llm-eval
