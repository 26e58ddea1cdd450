"""Make features of captions: a sentence about each clip, embedded by a sentence encoder, in the space of the queries.

    mmvmr captions captions_val.jsonl.gz data/custom/features --weights all-MiniLM-L6-v2 --clip-seconds 2

Captions are a folder with VIDEO.txt per video, a line per clip, or a .jsonl file with "vid" and "captions" per video.
"""
import argparse
from pathlib import Path

from mmvmr.cli.main import Parser, at_least


def add_arguments(parser: Parser) -> None:
    parser.add_argument('captions', type=Path, help='folder with VIDEO.txt per video, or a .jsonl or .jsonl.gz file')
    parser.add_argument('target', type=Path, help='folder to write')
    parser.add_argument('--weights', required=True, help='folder of a sentence encoder in the format of transformers')
    parser.add_argument('--clip-seconds', type=at_least(1e-3, float), required=True, metavar='SECONDS',
                        help='length of a clip')
    parser.add_argument('--prefix', default='', help='what stands before each sentence, for encoders trained with it')
    parser.add_argument('--force', action='store_true', help='replace a store that is there')


def run(args: argparse.Namespace) -> None:
    from mmvmr.features.captions import embed_captions
    encoder = dict(weights=args.weights, prefix=args.prefix)
    store = embed_captions(args.captions, args.target, encoder, args.clip_seconds, args.force)
    print(f'{args.target}: {len(store.video_ids)} videos, {store.num_rows.sum()} clips of {args.clip_seconds:g} s, '
          f'{store.dim} dimensions.')
