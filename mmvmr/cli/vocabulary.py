"""Write the vocabulary of a data set: its words, most frequent first, and their vectors.

    # from the file of CNM and CPL, which holds both: their 1,111 words
    mmvmr vocabulary data/charades_sta/vocabulary.npz --vectors glove.pkl --size 1111
    # from GloVe text, for the words of the training sentences of a config
    mmvmr vocabulary data/activitynet_captions/vocabulary.npz --vectors glove.840B.300d.txt \\
        --sentences mcmt_activitynet --size 8000
    # ... or of annotations in any known form, or of a file with a sentence on each line
    mmvmr vocabulary data/custom/vocabulary.npz --vectors glove.6B.300d.txt --sentences data/custom/train.json
    # without any vectors at hand: a random one for each word, which the model has to make sense of alone
    mmvmr vocabulary data/custom/vocabulary.npz --vectors random --sentences data/custom/train.json
"""
import argparse
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from mmvmr.cli.main import Parser, at_least
from mmvmr.engine.run.places import find_config, names_file
from mmvmr.utils.files import check_output


def add_arguments(parser: Parser) -> None:
    parser.add_argument('target', type=Path, help='file to write, .npz')
    parser.add_argument('--vectors', type=Path, required=True,
                        help='GloVe text file, the glove.pkl of CNM and CPL, or random')
    parser.add_argument('--sentences', nargs='+', default=[],
                        help='config (its training sentences, cut by its tokenizer), annotations, sentences; glove.pkl '
                        'has its own counts')
    parser.add_argument('--size', type=at_least(1), help='number of words; all by default')
    parser.add_argument('--force', action='store_true', help='replace a file that is there')


def read_sentences(name: str) -> Tuple[List[str], Optional[Dict]]:
    """The training sentences of a config and the config of its tokenizer, or the sentences of a file."""
    from mmengine.registry import init_default_scope

    from mmvmr.datasets.forms import read_queries
    from mmvmr.engine.run.config import read_config
    if names_file(name):
        if not Path(name).exists():
            raise FileNotFoundError(f'There is no file "{name}" of annotations or sentences.')
        return read_queries(name), None
    init_default_scope('mmvmr')
    dataset = read_config(name).train_dataloader.dataset
    return [pair['query'] for pair in read_annotations(dataset)], (dataset.get('text') or {}).get('tokenizer')


def read_annotations(dataset: Dict) -> List[Dict]:
    """All pairs of the data set with this config, also those held out or left out, without its features."""
    from mmvmr.registry import DATASETS
    whole = dict(dataset, features=None, val_fraction=0.0, indices=None)
    if dataset.get('val_fraction') and dataset.get('split') == 'val':  # held out of the training file
        whole['split'] = 'train'
    return list(DATASETS.build(whole).data_list)


def run(args: argparse.Namespace) -> None:
    if args.target.suffix != '.npz':
        raise ValueError(f'A vocabulary is a .npz file, got {args.target}.')
    check_output(args.target, args.force)
    for name in args.sentences:
        if not names_file(name):
            find_config(name)
    from mmvmr.text.building import build_vocabulary
    from mmvmr.text.tokenizer import WordReader
    read = [read_sentences(name) for name in args.sentences]
    reader = WordReader(next((tokenizer for _, tokenizer in read if tokenizer), None))
    sentences = [sentence for found, _ in read for sentence in found]
    if args.sentences and not sentences:
        raise ValueError(f'There is no sentence in {", ".join(map(str, args.sentences))}.')
    vocabulary, counts = build_vocabulary(args.vectors, sentences, args.size, reader)
    vocabulary.save(args.target)
    without = sum(word not in vocabulary for word in counts)
    print(f'{args.target}: {len(vocabulary.words)} words; {without} of {len(counts)} counted words are left out.')
