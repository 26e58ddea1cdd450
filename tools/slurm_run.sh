#!/usr/bin/env bash
# What slurm_train.sh and slurm_test.sh share:  bash tools/slurm_run.sh PARTITION JOB TOOL [ARGUMENTS OF THE TOOL]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
# SRUN_ARGS is split into words on purpose
exec srun -p "$1" --job-name="$2" --gres="gpu:$per_node" --ntasks="$gpus" --ntasks-per-node="$per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$here/$3" "${@:4}" --launcher slurm
