#!/usr/bin/env bash
# Train with several processes: one per GPU, or on CPUs where there is none.
#   bash tools/dist_train.sh CONFIG GPUS [ARGUMENTS OF train.py]
# On several machines, run it on each, with NNODES, NODE_RANK (0, 1, ...), MASTER_ADDR and PORT in the environment.
export PYTHONPATH="$(cd "$(dirname "$0")/.." && pwd)${PYTHONPATH:+:$PYTHONPATH}"
exec python -m mmvmr dist-train "$@"
