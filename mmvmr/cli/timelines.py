"""Draw the timelines of some queries: frames, the chosen moment, the annotated one, the runners-up.

    mmvmr timelines work_dirs/mcmt_moving_shapes --videos data/moving_shapes/videos --out timelines
    mmvmr timelines predictions.jsonl --out figures --num 4 --format pdf --width 8.5
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, at_least
from mmvmr.engine.run.places import find_predictions_of
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('predictions', type=Path, help='predictions.jsonl, the folder of a test, or of a run')
    parser.add_argument('--out', type=Path, required=True, help='folder for the pictures; those in it are replaced')
    parser.add_argument('--videos', type=Path, help='folder of videos named by their ids, to show frames')
    parser.add_argument('--num', type=at_least(1), default=12, help='queries to draw, evenly chosen (12)')
    parser.add_argument('--format', choices=['png', 'svg', 'pdf'], default='png')
    parser.add_argument('--width', type=at_least(5, float), default=17.5,
                        help='of the pictures in cm (17.5; a column has 8.5)')


def run(args: argparse.Namespace) -> None:
    predictions = find_predictions_of(args.predictions)
    check_writable(args.out)
    import numpy as np

    from mmvmr.engine.run.testing import find_predictions
    from mmvmr.evaluation.predictions import read_predictions
    from mmvmr.utils.progress import progress
    from mmvmr.visualization.style import save_figure
    from mmvmr.visualization.timeline import draw_timeline, find_video, sample_frames
    if args.videos and not args.videos.is_dir():
        raise FileNotFoundError(f'There is no folder "{args.videos}" of videos. Leave --videos out to draw no frames.')
    table = read_predictions(find_predictions(predictions))
    chosen = np.unique(np.linspace(0, len(table) - 1, args.num).round().astype(int))
    files = {row.video_id: find_video(args.videos, row.video_id) if args.videos else None
             for row in table.iloc[chosen].itertuples()}
    if args.videos and not any(files.values()):
        raise FileNotFoundError(f'"{args.videos}" has no video of the queries, such as {next(iter(files))}. Files are '
                                'named by the ids of their videos.')
    for row in progress(table.iloc[chosen].itertuples(), total=len(chosen), desc='Drawing timelines'):
        file = files[row.video_id]
        frames = sample_frames(file, [*row.pred_spans[:1], *row.gt_spans]) if file else None
        figure = draw_timeline(row.query, row.duration, row.pred_spans, row.gt_spans, frames, row.video_id, args.width)
        save_figure(figure, args.out / f'{row.sample_idx:05d}_{row.video_id}.{args.format}')
    without = [video_id for video_id, file in files.items() if file is None]
    print(f'{len(chosen)} timelines are in {args.out}'
          + (f'; {len(without)} videos were not found, e.g. {without[0]}.' if args.videos and without else '.'))
