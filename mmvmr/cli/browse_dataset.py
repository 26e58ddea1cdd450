"""Draw samples of a data set, as a model sees them: the clips, the words that it reads, the annotated moment.

    mmvmr browse-dataset cpl_moving_shapes --out samples
    mmvmr browse-dataset cpl_moving_shapes --out samples --videos data/moving_shapes/videos --split val --num 4

The test split is not shown.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, add_config_options, at_least
from mmvmr.engine.run.places import find_config
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.add_argument('config', help='config file or name; or the folder of a run')
    parser.add_argument('--out', type=Path, required=True, help='folder for the pictures; those in it are replaced')
    parser.add_argument('--split', choices=['train', 'val'], default='train')
    parser.add_argument('--videos', type=Path, help='folder of videos named by their ids, to show frames')
    parser.add_argument('--num', type=at_least(1), default=12, help='samples to draw, evenly chosen (12)')
    parser.add_argument('--format', choices=['png', 'svg', 'pdf'], default='png')
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    path = find_config(args.config)
    check_writable(args.out)
    import numpy as np
    from mmengine.registry import init_default_scope

    from mmvmr.engine.run.check_config import check_config
    from mmvmr.engine.run.config import parse_options, read_config
    from mmvmr.registry import DATASETS
    from mmvmr.utils.progress import progress
    from mmvmr.visualization.sample_plot import draw_sample
    from mmvmr.visualization.style import save_figure
    from mmvmr.visualization.timeline import find_video, sample_frames
    if args.videos and not args.videos.is_dir():
        raise FileNotFoundError(f'There is no folder "{args.videos}" of videos. Leave --videos out to draw no frames.')
    config = read_config(path, parse_options(args.cfg_options))
    check_config(config)
    loader = config.get(f'{args.split}_dataloader')
    if not loader:
        raise ValueError(f'"{config.filename}" has no {args.split}_dataloader.')
    init_default_scope('mmvmr')
    dataset = DATASETS.build(dict(loader['dataset'], resident=False))
    dataset.full_init()
    chosen = np.unique(np.linspace(0, len(dataset) - 1, args.num).round().astype(int)).tolist()
    for index in progress(chosen, desc='Drawing samples'):
        pair, batch = dataset.data_list[index], dataset[index]['inputs']
        words = None if dataset.vocabulary is None else [
            dataset.vocabulary.words[number - 1] for number in batch.query.word_ids[0].tolist() if number]
        file = find_video(args.videos, pair['video_id']) if args.videos else None
        figure = draw_sample(pair['query'], pair['duration'], pair['spans'], batch.video[0].float().numpy(), words,
                             sample_frames(file, pair['spans']) if file else None, pair['video_id'])
        save_figure(figure, args.out / f'{index:05d}_{pair["video_id"].replace("/", "_")}.{args.format}')
    print(f'{len(chosen)} of {len(dataset)} samples of {dataset.metainfo["protocol"]} are in {args.out}.')
