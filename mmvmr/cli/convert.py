"""Turn annotations, in whatever form they are published, into JSON lines, and say which form it was.

    mmvmr convert highlight_val_release.jsonl
    mmvmr convert nlq_val.json data/custom/test.jsonl
    mmvmr convert youcookii_annotations_trainval.json data/custom/train.jsonl --subset training
    mmvmr convert charades_sta_test.txt test.jsonl --durations Charades_v1_test.csv

A line has the fields query, vid, duration and relevant_windows, in seconds, as those of QVHighlights, and qid where
the file has one. Without a second file the form and the first pair are printed.
"""
import argparse
import json
from pathlib import Path
from typing import Dict, List, Tuple

from mmvmr.cli.main import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument('annotations', type=Path, help='file in any known form; docs/data.md lists them')
    parser.add_argument('target', type=Path, nargs='?', help='JSON lines to write')
    parser.add_argument('--durations', help='Charades_v1_*.csv, which the text files of Charades-STA need')
    parser.add_argument('--subset', help='keep this one, of a file that holds several, such as YouCook2')
    parser.add_argument('--force', action='store_true', help='replace a file that is there')


def read(args: argparse.Namespace) -> Tuple[str, List[Dict]]:
    """Name of the form, and the pairs."""
    from mmvmr.datasets.annotations import clamp_span
    from mmvmr.datasets.charades_sta import read_durations
    from mmvmr.datasets.forms import read_charades_text, read_pairs, recognise
    if args.durations:
        durations = read_durations(args.durations)
        pairs = read_charades_text(args.annotations, durations, args.durations)
        return 'Charades-STA', [dict(pair, spans=[clamp_span(span, pair['duration']) for span in pair['spans']])
                                for pair in pairs]
    return recognise(args.annotations)[1].name, read_pairs(args.annotations)


def run(args: argparse.Namespace) -> None:
    from mmvmr.datasets.annotations import check_pairs
    from mmvmr.datasets.forms import as_json_line
    from mmvmr.utils.files import write_text
    if args.target and args.target.exists() and not args.force:
        raise FileExistsError(f'{args.target} exists. Choose another file, or pass --force.')
    name, pairs = read(args)
    subsets = sorted({pair['subset'] for pair in pairs if 'subset' in pair})
    if args.subset and args.subset not in subsets:
        raise ValueError(f'"{args.annotations}" has {", ".join(subsets) or "no"} subsets, but --subset {args.subset} '
                         'was asked for.')
    pairs = check_pairs([pair for pair in pairs if args.subset in (None, pair.get('subset'))], str(args.annotations))
    videos = len({pair['video_id'] for pair in pairs})
    print(f'{args.annotations}: {name}, {len(pairs)} pairs of {videos} videos'
          f'{", subsets " + ", ".join(subsets) if subsets and not args.subset else ""}.')
    lines = [json.dumps(as_json_line(pair), ensure_ascii=False) for pair in pairs]
    if args.target:
        write_text(args.target, ''.join(f'{line}\n' for line in lines))
        print(f'Written: {args.target}')
    elif lines:
        print(lines[0])
