"""Write the vocabulary of a data set: its words, most frequent first, and their vectors.

Examples:
  # from the file of CNM and CPL, which holds both: their 1,111 words
  python tools/dataset_converters/build_vocabulary.py data/charades_sta/vocabulary.npz --vectors glove.pkl --size 1111
  # from GloVe text, for the words of the training sentences of a config
  python tools/dataset_converters/build_vocabulary.py data/activitynet_captions/vocabulary.npz \\
      --vectors glove.840B.300d.txt --sentences configs/mcmt_activitynet.py --size 8000
  # ... or of JSON lists
  python tools/dataset_converters/build_vocabulary.py data/custom/vocabulary.npz \\
      --vectors glove.6B.300d.txt --sentences data/custom/train.json
"""
import argparse
import sys
from pathlib import Path
from typing import List

from mmengine.config import Config
from mmengine.registry import init_default_scope
from tqdm import tqdm

from mmvmr.datasets.annotations import read_json_list
from mmvmr.registry import DATASETS
from mmvmr.text.vocabulary import Vocabulary, count_words
from mmvmr.text.word_vectors import read_glove_pickle, read_glove_text


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('target', type=Path, help='file to write, .npz')
    parser.add_argument('--vectors', type=Path, required=True, help='GloVe text file, or the glove.pkl of CNM and CPL')
    parser.add_argument('--sentences', type=Path, nargs='+', default=[],
                        help='config (its training sentences) or JSON lists; glove.pkl brings its own counts')
    parser.add_argument('--size', type=int, help='number of words; all by default')
    parser.add_argument('--force', action='store_true', help='replace a file that is there')
    return parser.parse_args(argv)


def read_sentences(path: Path) -> List[str]:
    """The training sentences of a config, or those of a JSON list."""
    if path.suffix != '.py':
        return [pair['query'] for pair in read_json_list(path)]
    init_default_scope('mmvmr')
    dataset = dict(Config.fromfile(path).train_dataloader.dataset, features=None, val_fraction=0.0)
    return [pair['query'] for pair in DATASETS.build(dataset).data_list]


def main(argv=None) -> None:
    args = parse_args(argv)
    if args.target.suffix != '.npz':
        raise ValueError(f'A vocabulary is a .npz file, got {args.target}.')
    if args.target.exists() and not args.force:
        raise FileExistsError(f'{args.target} exists. Choose another file, or pass --force.')
    sentences = [sentence for path in args.sentences for sentence in read_sentences(path)]
    counts = count_words(tqdm(sentences, desc='Counting words', unit='sentence')) if sentences else None
    if args.vectors.suffix == '.pkl':
        own_counts, vectors = read_glove_pickle(args.vectors)
        counts = counts or own_counts
    elif counts is None:
        raise ValueError('GloVe text has no word counts: say with --sentences which words are needed.')
    else:
        with open(args.vectors, encoding='utf-8') as lines:
            lines = tqdm(lines, desc='Reading vectors', unit='word')
            vectors = read_glove_text(lines, counts, args.vectors.name)
    vocabulary = Vocabulary.from_vectors(counts, vectors, args.size, dict(source=args.vectors.name))
    vocabulary.save(args.target)
    without = sum(word not in vocabulary for word in counts)
    print(f'{args.target}: {len(vocabulary.words)} words; {without} of {len(counts)} counted words are left out. '
          f'Models need vocab_size={len(vocabulary)}.')


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
