"""Make up features for annotations: each sentence is planted in its moments, among distractors and noise.

    mmvmr plant cpl_charades data/charades_planted
    mmvmr plant cpl_activitynet data/activitynet_planted --noise 2 --blur 4 --distractors 5

For whoever has annotations and no features: methods meet moments of real lengths and real sentences. The numbers say
nothing about real videos.
"""
import argparse
from pathlib import Path
from shlex import quote
from typing import Dict, Iterable, List, Mapping

from mmvmr.cli.main import Parser, add_config_options, at_least
from mmvmr.cli.vocabulary import read_annotations
from mmvmr.engine.run.places import find_config
from mmvmr.utils.files import check_output
from mmvmr.utils.text_files import read_json

_PARTS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def add_arguments(parser: Parser) -> None:
    parser.add_argument('config', help='config file or name, whose annotations are read')
    parser.add_argument('out', type=Path, help='folder to make, with features and vocabulary')
    parser.add_argument('--dim', type=at_least(1), default=128, help='dimensions of a row (128)')
    parser.add_argument('--seconds', type=at_least(0.01, float), default=1.0, help='from one row to the next (1)')
    parser.add_argument('--strength', type=at_least(0, float), default=1.0, help='of a sentence in its moment (1)')
    parser.add_argument('--background', type=at_least(0, float), default=1.0, help='strength of the scene (1)')
    parser.add_argument('--noise', type=at_least(0, float), default=1.0, help='strength of the noise (1)')
    parser.add_argument('--distractors', type=at_least(0), default=2,
                        help='sentences of other videos in a video, somewhere (2)')
    parser.add_argument('--blur', type=at_least(0, float), default=1.0, help='softness of the edges, in seconds (1)')
    parser.add_argument('--seed', type=at_least(0), default=0)
    parser.add_argument('--force', action='store_true', help='replace what this tool made in the folder before')
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    find_config(args.config)
    vocabulary = args.out / 'vocabulary.npz'
    check_output(vocabulary, args.force)
    check_planted(args.out)
    from mmengine.registry import init_default_scope

    from mmvmr.datasets.planted import Planting, planted_features
    from mmvmr.engine.run.config import parse_options, read_config
    from mmvmr.features.stores.packed_store import write_packed_store
    from mmvmr.text.building import build_vocabulary
    from mmvmr.utils.progress import progress
    init_default_scope('mmvmr')
    options = parse_options(args.cfg_options)
    config = read_config(args.config, options)
    if not any(config.get(name) for name in _PARTS):
        raise ValueError(f'"{args.config}" has no data set to plant moments for; expected a config with one of '
                         f'{", ".join(_PARTS)}.')
    planting = Planting(**{name: getattr(args, name) for name in Planting._fields})
    parts = {name: read_annotations(config[name].dataset)
             for name in _PARTS if config.get(name)}
    pairs = list({_key(pair): pair for part in parts.values() for pair in part}.values())
    features = planted_features(pairs, planting)
    count = len({pair['video_id'] for pair in pairs})
    write_packed_store(args.out / 'features', progress(features, total=count, desc='Planting', unit='video'),
                       manifest=dict(planted=planting._asdict(), clip_seconds=planting.seconds),
                       overwrite=args.force)
    sentences = [pair['query'] for pair in parts.get('train_dataloader', pairs)]
    build_vocabulary('random', sentences)[0].save(vocabulary)
    here = args.out.absolute()
    values = f'features={here}/features', f'vocabulary={here}/vocabulary.npz', f'feature_dim={args.dim}'
    places = _places(args.config, options, parts)
    changes = [*args.cfg_options, *(f'{place}.{value}' for place in places for value in values)]
    trains = config.get('model') and 'train_dataloader' in parts
    nowhere = sum(not pair['spans'] for pair in pairs)
    print(f'"{args.out}": {len(pairs) - nowhere} sentences planted in {count} videos'
          f'{f"; {nowhere} have no moment, and are seen nowhere" if nowhere else ""}. To train on them:\n'
          f'  mmvmr train {quote(args.config) if trains else "CONFIG"} --work-dir work_dirs/planted '
          f'--cfg-options {" ".join(map(quote, changes))}')


def _places(config: str, options: Mapping, parts: Iterable[str]) -> List[str]:
    """Where a config says which features it reads: once, in its variable ``dataset``, or for each part."""
    from mmvmr.engine.run.config import read_config
    try:
        changed = read_config(config, {**options, 'dataset.features': 'planted'})
        once = all(changed[name].dataset.features == 'planted' for name in parts)
    except (KeyError, ValueError):
        once = False
    return ['dataset'] if once else [f'{name}.dataset' for name in parts]


def check_planted(folder: Path) -> None:
    """Refuse to replace features, or words beside them, that were not planted."""
    manifest = folder / 'features' / 'manifest.json'
    there = [path for path in (folder / 'features', folder / 'vocabulary.npz') if path.exists()]
    if there and not (manifest.is_file() and 'planted' in read_json(manifest)):
        raise FileExistsError(f'"{there[0]}" was not made by `mmvmr plant`, so it is not replaced. Choose another '
                              'folder.')


def _key(pair: Dict) -> tuple:
    return pair['video_id'], pair['query'], str(pair['spans'])
