#!/usr/bin/env bash
# Test on a SLURM cluster:  bash tools/slurm_test.sh PARTITION JOB CONFIG CHECKPOINT [ARGUMENTS OF test.py]
# GPUS (8 in all), GPUS_PER_NODE (8), CPUS_PER_TASK (5) and SRUN_ARGS are read from the environment.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,3s/^# //p' "$0"; exit 1; }
exec bash "$(dirname "$0")/slurm_run.sh" "$1" "$2" test.py "${@:3}"
