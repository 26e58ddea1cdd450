#!/usr/bin/env bash
# What `mmvmr demo` shows: train on Moving Shapes, keep the weights in half precision, calibrate, take a video of the test
# split. Run it in a checkout, and say where to work; about half an hour on two cores. It replaces mmvmr/apis/demo_files.
#   bash tools/misc/make_demo.sh work_dirs/demo
set -euo pipefail
cd "$(dirname "$0")/../.."
run=${1:?where to train, e.g. work_dirs/demo}
files=mmvmr/apis/demo_files
mmvmr moving-shapes
mmvmr train mmvmr_best_moving_shapes --work-dir "$run" --resume
rm -rf "$files"
mmvmr publish "$run" "$files/mmvmr_best_moving_shapes" --half
mmvmr calibrate "$files/mmvmr_best_moving_shapes" --references 12 --queries 90
cp data/moving_shapes/videos/test_0003.mp4 "$files/shapes.mp4"
du -sh "$files"
