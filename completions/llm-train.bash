# Made by completions/generate from llm-train --dump-options.
_llm_train() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $prev in
    --model) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --init) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --resume) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --branch) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --tokenizer) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --extend-vocabulary) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --hosts) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --save) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --valid) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --on-spike) mapfile -t COMPREPLY < <(compgen -W "stop skip rewind" -- "$cur"); return ;;
    --schedule) mapfile -t COMPREPLY < <(compgen -W "cosine linear constant wsd" -- "$cur"); return ;;
    --wsd-decay-style) mapfile -t COMPREPLY < <(compgen -W "linear cosine 1-sqrt" -- "$cur"); return ;;
    --init-method) mapfile -t COMPREPLY < <(compgen -W "model standard depth-scaled" -- "$cur"); return ;;
    --fp8-recipe) mapfile -t COMPREPLY < <(compgen -W "delayed tensorwise" -- "$cur"); return ;;
    --fp8-amax-compute-algo) mapfile -t COMPREPLY < <(compgen -W "max most_recent" -- "$cur"); return ;;
    --document-mask) mapfile -t COMPREPLY < <(compgen -W "yes no" -- "$cur"); return ;;
    --tensorboard) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --plan) [[ $cur == -* ]] || { mapfile -t COMPREPLY < <(compgen -W "no yes best" -- "$cur"); return; } ;;
    --machine) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --rank-map) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --report) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --log) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --on-error) mapfile -t COMPREPLY < <(compgen -W "stop skip" -- "$cur"); return ;;
    --tmpdir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --ranks|--save-every|--keep-last|--keep-every|--valid-every|--valid-tokens|--seq-length|--micro-batch|--global-batch|--steps|--tokens|--stop-at|--epochs|--ramp-batch|--skip|--spike-threshold|--spike-window|--spike-limit|--lr|--min-lr|--warmup|--decay|--weight-decay|--beta1|--beta2|--eps|--clip|--z-loss|--moe-aux-loss-coeff|--moe-z-loss-coeff|--init-std|--weight-decay-skip|--freeze|--dropout|--lora|--lora-alpha|--lora-targets|--dpo-beta|--precision|--fp8-margin|--fp8-amax-history-len|--recompute|--reduce-groups|--tensor-parallel|--pipeline-parallel|--pipeline-schedule|--virtual-stages|--context-parallel|--expert-parallel|--zero|--rank-order|--log-every|--health-every|--time-limit|--timeout|--compute|--topology|--threads|--seed|--memory) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--model --init --resume --branch --tokenizer --extend-vocabulary --ranks --hosts --save --save-every --keep-last --keep-every --valid --valid-every --valid-tokens --seq-length --micro-batch --global-batch --steps --tokens --stop-at --epochs --ramp-batch --skip --on-spike --spike-threshold --spike-window --spike-limit --lr --min-lr --warmup --schedule --decay --wsd-decay-style --weight-decay --beta1 --beta2 --eps --clip --z-loss --moe-aux-loss-coeff --moe-z-loss-coeff --init-std --init-method --weight-decay-skip --freeze --dropout --lora --lora-alpha --lora-targets --dpo --dpo-beta --precision --fp8-recipe --fp8-margin --fp8-amax-history-len --fp8-amax-compute-algo --recompute --document-mask --reduce-groups --tensor-parallel --sequence-parallel --no-sequence-parallel --pipeline-parallel --pipeline-schedule --virtual-stages --context-parallel --expert-parallel --grad-reduce-in-bf16 --zero --rank-order --log-every --health-every --tensorboard --time-limit --timeout --plan --machine --compute --rank-map --topology --json --report --curve --profile --self-check --help -h --version --quiet -q --verbose -v --threads --seed --config --log --progress --no-progress --on-error --memory --tmpdir" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _llm_train llm-train
