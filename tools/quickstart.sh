#!/usr/bin/env bash
# From nothing to a trained and tested moment retriever, without any download of data:
# set up an environment, render Moving Shapes, answer a sentence without training, train MCMT, test it, print the score card,
# draw timelines.
#   bash tools/quickstart.sh [WORK_DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/setup_env.sh clip

run=${1:-work_dirs/mcmt_moving_shapes}
videos=data/moving_shapes/videos
echo "== 1/5  Rendering Moving Shapes"
mmvmr moving-shapes
query=$(python -c 'import json; print(json.load(open("data/moving_shapes/test.json"))[0][3])')
echo "== 2/5  An answer without training: a tiny CLIP, made here in some minutes, compares pictures with the sentence"
[ -d data/toy_clip ] || mmvmr toy-clip data/toy_clip
mmvmr infer --zero-shot data/toy_clip "$videos/test_0000.mp4" "$query"
echo "== 3/5  Training MCMT into $run"
mmvmr train mcmt_moving_shapes --work-dir "$run" --resume
echo "== 4/5  Drawing what it finds in videos that it has not seen"
mmvmr test "$run" >"$run/test.log" 2>&1 || { cat "$run/test.log"; exit 1; }
mmvmr timelines "$run" --videos "$videos" --out "$run/timelines"
echo "== 5/5  The score card"
cat "$run/test.log"
cat <<END

Done: the run is in $run, its timelines are in $run/timelines. What now? In this folder:
${VIRTUAL_ENV:+
source ${VIRTUAL_ENV#"$PWD/"}/bin/activate}
mmvmr infer $run $videos/test_0000.mp4 "$query" --html page.html
mmvmr browse $run --videos $videos
mmvmr search index $run $videos videos.index --workers 2
mmvmr search query videos.index "$query"
mmvmr train cpl_moving_shapes
END
