#!/usr/bin/env bash
# The batch scripts, run dry: commands of the batch systems that write down how they are called, and train on one process.
. "$LLM_SRC/tests/lib.sh"
. "$LLM_SRC/tests/cli/train/fixture.bash"
fixture
scripts=$LLM_SRC/cmd/llm-train/batch
export LLM_MARGIN=600 CALLS=$PWD/calls

cat >first.conf <<'END'
model = llama.json
tokenizer = tok.json
seq-length = 64
global-batch = 8
reduce-groups = 2
lr = 1e-3
precision = fp32
steps = 1000000
epochs = 10000
END
sed 's/^steps.*/steps = 1/' first.conf >second.conf
cp train.shard b.shard

# fake NAME BODY: a command that notes its words, one call a line.
mkdir fake
fake() {
    # shellcheck disable=SC2016
    printf '#!/bin/bash\necho "%s $*" >>"$CALLS"\n%s\n' "$1" "$2" >"fake/$1"
    chmod +x "fake/$1"
}
# The command behind a launcher's options, on one process.
# shellcheck disable=SC2016
launch='while [[ $1 == -* ]]; do [[ $1 == -n || $1 == -ppn || $1 == -bind-to ]] && shift; shift; done
exec "$@"'
fake srun "$launch"
fake mpiexec "$launch"
# shellcheck disable=SC2016
fake sbcast 'cp "$2" "$3"'
fake scontrol :
fake squeue 'date -d "2 hours" +%FT%T'
# shellcheck disable=SC2016
fake lscpu 'echo "# a comment"
for i in 0 1 2 3 4 5 6 7; do case $1 in -p=NODE) echo $((i / 4));; *) echo $i,0;; esac; done'
fake llio_transfer :
# shellcheck disable=SC2016
fake pjsub 'n=$(grep -c ^pjsub "$CALLS"); echo 777_$n'
export PATH=$PWD/fake:$PATH
calls() { # NAME
    grep "^$1 " calls
}
last_status() { # LOG
    tail -n 1 "$1" | jq -r .status
}

# ---- Slurm ----
export SLURM_JOB_ID=42 SLURM_JOB_NUM_NODES=3
slurm() {
    : >calls
    "$scripts/slurm.sbatch" "$@"
}
expect_code 2 slurm run
err_like "the usage is told" "usage: sbatch"
# The limit is near: one second is left for steps.
export SLURM_JOB_END_TIME=$(($(date +%s) + 601))
expect_code 75 slurm slurm first.conf train.shard b.shard
like "srun: a rank in each of two domains of three nodes, bound" "$(calls srun)" \
    "^srun --mpi=pmi2 --nodes=3 --ntasks=6 --ntasks-per-node=2 --cpu-bind=ldoms --mem-bind=local .* llm-train --config first.conf"
like "its cores, its time, its checkpoints" "$(calls srun)" \
    "--resume slurm --log slurm.jsonl --threads 4 --time-limit 1s train.shard b.shard$"
is "the run stopped" "$(last_status slurm.jsonl)" 75
is "the job is queued again" "$(calls scontrol)" "scontrol requeue 42"
# The next job ends the run.
unset SLURM_JOB_END_TIME
mkdir scratch
steps=$(tail -n 1 slurm.jsonl | jq .step)
sed -i "s/^steps.*/steps = $((steps + 2))/" second.conf
LLM_SCRATCH=$PWD/scratch expect_code 0 slurm slurm second.conf train.shard b.shard
like "the end of the job is asked for, where it is not told" "$(calls srun)" "--time-limit (6[56]|7[0-2])[0-9]{2}s|--time-limit 6[0-9]{3}s"
is "shards are staged" "$(calls sbcast | paste -sd\;)" \
    "sbcast --force train.shard $PWD/scratch/42-0.shard;sbcast --force b.shard $PWD/scratch/42-1.shard"
like "and read there" "$(calls srun | head -n 1)" "scratch/42-0.shard $PWD/scratch/42-1.shard$"
is "and removed" "$(ls scratch)" ""
is "it went on and came to its end" "$(tail -n 1 slurm.jsonl | jq -r '"\(.status) \(.step)"')" "0 $((steps + 2))"
is "nothing is queued" "$(calls scontrol)" ""
LLM_MPI=mpiexec expect_code 0 slurm slurm second.conf train.shard b.shard
like "or by mpiexec" "$(calls mpiexec)" "^mpiexec -n 6 -ppn 2 -bind-to numa llm-train "
expect_code 3 slurm slurm second.conf tok.json
is "a failure is no reason to go on" "$(calls scontrol)" ""
unset SLURM_JOB_ID

# ---- PJM ----
: >calls
expect_code 2 "$scripts/fugaku.pjm" 3
LLM_PJSUB="-g group -L rscgrp=small" expect_code 0 "$scripts/fugaku.pjm" 3 2x3x2:torus 01:00:00 pjm first.conf train.shard b.shard
is "three sub-jobs" "$(calls pjsub | wc -l)" 3
like "the first" "$(calls pjsub | sed -n 1p)" \
    "^pjsub -g group -L rscgrp=small -z jid -L node=2x3x2:torus -L elapse=01:00:00 --step --sparam sn=1 -x LLM_RUN=pjm -x LLM_CONFIG=first.conf -x LLM_SHARDS=train.shard b.shard"
like "the third goes when the second did not stop with 75" "$(calls pjsub | sed -n 3p)" "--sparam jid=777,sn=3,sd=ec!=75:after:2 "
job() { # CONFIG ELAPSE: as pjsub's -x hands it on
    : >calls
    PJM_JOBID=777_1 PJM_NODE=12 LLM_RUN=pjm LLM_CONFIG=$1 LLM_SHARDS="train.shard b.shard" LLM_ELAPSE=$2 LLM_TRAIN=llm-train \
        "$scripts/fugaku.pjm"
}
expect_code 75 job first.conf 00:10:01
like "four ranks a node, twelve threads each, and the time" "$(calls mpiexec)" \
    "^mpiexec -n 48 llm-train --config first.conf --resume pjm --log pjm.jsonl --threads 12 --time-limit 1s train.shard b.shard$"
is "files are brought near and let go" "$(calls llio_transfer | sed 's/^llio_transfer //' | paste -sd\;)" \
    "first.conf;train.shard;b.shard;--purge first.conf;--purge train.shard;--purge b.shard"
is "the run stopped" "$(last_status pjm.jsonl)" 75
steps=$(tail -n 1 pjm.jsonl | jq .step)
sed -i "s/^steps.*/steps = $((steps + 2))/" second.conf
expect_code 0 job second.conf 08:09:10
like "hours with a leading zero" "$(calls mpiexec)" "--time-limit 28750s "
is "the run is done" "$(tail -n 1 pjm.jsonl | jq -r '"\(.status) \(.step)"')" "0 $((steps + 2))"
