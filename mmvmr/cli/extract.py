"""Extract the features of a folder of videos, as a packed store that any data set config can use.

    mmvmr extract videos data/custom/features --extractor DescriptorExtractor
    mmvmr extract videos data/custom/features --extractor ClipExtractor \\
        --cfg-options weights=clip-vit-base-patch32 clip_seconds=0.5
    mmvmr extract videos data/custom/features --extractor TorchvisionVideoExtractor \\
        --cfg-options model=r3d_18 weights=r3d_18-b3b3357e.pth
    # on two machines, each its half; data/custom/features is one store when both are done
    mmvmr extract videos data/custom/features --extractor DescriptorExtractor --shard 0/2
    mmvmr extract videos data/custom/features --extractor DescriptorExtractor --shard 1/2
    # your own: a file with extractor = dict(type=...) and custom_imports
    mmvmr extract videos data/custom/features --extractor my_extractor.py

A run that was stopped goes on where it was. Exit code 1 if a video cannot be decoded; the others are in the store.
A file for --extractor is Python and is run.
"""
import argparse
import sys
from pathlib import Path

from mmvmr.cli.main import Parser, at_least, counted
from mmvmr.engine.run.places import find_config
from mmvmr.features.stores.shards import Shard
from mmvmr.utils.files import check_writable


def add_arguments(parser: Parser) -> None:
    parser.hints = {'--device': 'It is an argument of the extractor: --cfg-options device=cpu.',
                    '--weights': 'It is an argument of the extractor: --cfg-options weights=FOLDER.'}
    parser.add_argument('videos', type=Path, help='folder with <video id>.mp4 and so on, also below; or one file')
    parser.add_argument('target', type=Path, help='folder to write')
    parser.add_argument('--extractor', required=True, help='name of an extractor, or a config file')
    parser.add_argument('--cfg-options', nargs='+', action='extend', default=[], metavar='KEY=VALUE',
                        help='arguments of the extractor')
    parser.add_argument('--workers', type=at_least(1),
                        help='processes; by default one per GPU for an extractor that uses them, else one per core')
    parser.add_argument('--shard', type=Shard.parse, metavar='INDEX/COUNT',
                        help='do this share of the work, e.g. 3/16 for the fourth of 16; others do the rest')
    parser.add_argument('--force', action='store_true', help='replace a store, or this shard of it, that is there')


def run(args: argparse.Namespace) -> int:
    own = args.extractor.endswith('.py') and find_config(args.extractor)
    check_writable(args.target)

    from mmvmr.engine.run.check_config import check_part
    from mmvmr.engine.run.config import interpret, parse_options
    from mmvmr.engine.run.config_file import change, run_config_file
    from mmvmr.features.folder import extract_folder
    from mmvmr.features.stores.packed_store import PackedStore
    from mmvmr.registry import EXTRACTORS
    from mmvmr.utils.imports import import_modules
    file = run_config_file(own).values if own else {}
    imports = file.get('custom_imports', {}).get('imports', ())
    import_modules(imports)
    config = dict(file.get('extractor', dict(type=args.extractor)))
    for key, value in parse_options(args.cfg_options).items():
        config = change('extractor', config, {f'extractor.{key}': interpret(value, config.get(key))})
    try:
        check_part(config, EXTRACTORS, 'extractor')
    except ValueError as error:
        raise ValueError(f'{error} Arguments of the extractor follow --cfg-options, as NAME=VALUE.') from error
    target = args.shard.folder(args.target) if args.shard else args.target
    try:
        failures = extract_folder(args.videos, target, config, args.workers, args.force, imports, args.shard)
    except KeyboardInterrupt:
        raise KeyboardInterrupt('Stopped. Finished videos are kept: the same command goes on from there.') from None
    if target.exists():
        store = PackedStore(target)
        print(f'{target}: {counted(len(store.video_ids), "video")}, {counted(store.num_rows.sum(), "clip")} of '
              f'{store.manifest["clip_seconds"]:g} s, {store.dim} dimensions.')
    for video, reason in failures.items():
        print(f'left out: {video}\n  {reason}', file=sys.stderr)
    if failures:
        print(f'Left out: {counted(len(failures), "video")}. After a repair, the same command with --force reads what '
              f'was left out alone; what it needs for that is in {target}.unfinished.', file=sys.stderr)
    return 1 if failures else 0
