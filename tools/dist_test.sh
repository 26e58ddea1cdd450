#!/usr/bin/env bash
# Test with several processes: one per GPU, or on CPUs where there is none.
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [ARGUMENTS OF test.py]
# On several machines, run it on each, with NNODES, NODE_RANK (0, 1, ...), MASTER_ADDR and PORT in the environment.
export PYTHONPATH="$(cd "$(dirname "$0")/.." && pwd)${PYTHONPATH:+:$PYTHONPATH}"
exec python -m mmvmr dist-test "$@"
