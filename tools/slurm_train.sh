#!/usr/bin/env bash
# Train on a SLURM cluster:  bash tools/slurm_train.sh PARTITION JOB CONFIG [WORK_DIR] [ARGUMENTS OF train.py]
# GPUS (8 in all), GPUS_PER_NODE (8), CPUS_PER_TASK (5) and SRUN_ARGS are read from the environment.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,3s/^# //p' "$0"; exit 1; }
work_dir=()
arguments=("${@:4}")
if [ $# -ge 4 ] && [[ $4 != -* ]]; then
    work_dir=(--work-dir "$4")
    arguments=("${@:5}")
fi
exec bash "$(dirname "$0")/slurm_run.sh" "$1" "$2" train.py "$3" ${work_dir[@]+"${work_dir[@]}"} ${arguments[@]+"${arguments[@]}"}
