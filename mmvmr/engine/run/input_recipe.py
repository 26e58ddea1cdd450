"""What turns a video and a sentence into an input of a trained model, kept in the folder of its run."""
import json
from pathlib import Path
from statistics import median
from typing import Any, Dict, NamedTuple, Optional, Union

from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.files import write_text

RECIPE, VOCABULARY = 'inputs.json', 'vocabulary.npz'
_WHERE_IT_RAN = ('weights', 'device', 'batch_size')  # arguments of an extractor that do not change what it gives


class InputRecipe(NamedTuple):
    """The settings of a training set that its model has to meet again when it is used."""
    vocabulary: Vocabulary
    features: Dict  # ``dim``; if known ``extractor``, ``weights_sha256``, ``clip_seconds``; of several, ``streams``
    num_clips: int  # T
    max_words: int
    median_duration: float  # seconds, of the training videos
    longest_duration: float

    @classmethod
    def from_dataset(cls, dataset: Any) -> 'InputRecipe':
        """The recipe that a data set with features and vocabulary follows."""
        dataset.full_init()
        durations = {pair['video_id']: float(pair['duration']) for pair in dataset.data_list}.values()
        return cls(dataset.vocabulary, known_features(dataset.store), dataset.num_clips, dataset.max_words,
                   median(durations), max(durations))

    def save(self, folder: Union[str, Path]) -> None:
        """Write ``vocabulary.npz`` and, when that is whole, ``inputs.json``."""
        self.vocabulary.save(Path(folder, VOCABULARY))
        settings = {key: value for key, value in self._asdict().items() if key != 'vocabulary'}
        write_text(Path(folder, RECIPE), json.dumps(settings, indent=2) + '\n')

    @classmethod
    def load(cls, folder: Union[str, Path]) -> 'InputRecipe':
        """Read what :meth:`save` has written. Nothing in it is executed.

        Raises:
            FileNotFoundError: If there is no recipe in the folder.
            ValueError: If it is damaged.
        """
        path = Path(folder, RECIPE)
        try:
            settings = json.loads(path.read_text(encoding='utf-8'))
            return cls(Vocabulary.load(path.with_name(VOCABULARY)), **settings)
        except FileNotFoundError:
            raise
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f'"{path}" cannot be read ({error}). Copy the run again; without {RECIPE} and '
                             f'{VOCABULARY}, the files that the config names are used.') from error


def known_features(store: Any) -> Dict:
    """What a feature store says about where its rows come from."""
    manifest = getattr(store, 'manifest', {})
    known = dict(_origin(manifest), dim=store.dim)
    if 'streams' in manifest:
        known['streams'] = [dict(_origin(stream), dim=stream['dim'], normalize=stream['normalize'])
                            for stream in manifest['streams']]
    return known


def _origin(manifest: Dict) -> Dict:
    return {key: manifest[key] for key in ('extractor', 'weights_sha256', 'clip_seconds') if key in manifest}


def fingerprint(vocabulary: Vocabulary, features: Dict) -> Dict[str, Any]:
    """By which the meaning of the inputs of a model is told apart: plain data, for checkpoints."""
    features = dict(features, extractor=_essence(features.get('extractor')))
    if 'streams' in features:
        features['streams'] = [dict(stream, extractor=_essence(stream.get('extractor')))
                               for stream in features['streams']]
    return dict(vocabulary=dict(words=len(vocabulary.words), sha256=vocabulary.sha256), features=features)


def _essence(extractor: Any) -> Any:
    if not isinstance(extractor, dict):
        return extractor
    return {key: value for key, value in extractor.items() if key not in _WHERE_IT_RAN}


def check_inputs(trained: Optional[Dict[str, Any]], given: Dict[str, Any], source: Union[str, Path]) -> None:
    """Refuse inputs that mean something else than those that weights were trained on.

    Args:
        trained: The fingerprint in a checkpoint; None in those of earlier versions, of which nothing can be said.
        given: The fingerprint of the data at hand.
        source: The checkpoint, for messages.

    Raises:
        ValueError: If the words are numbered in another way, or the features come from elsewhere; what one of both does
            not know is passed over.
    """
    if not trained:
        return
    words, others = trained['vocabulary'], given['vocabulary']
    if words != others:
        what = (f'{others["words"]} words instead of {words["words"]}' if words['words'] != others['words'] else
                'as many words, but in another order or with other vectors')
        raise ValueError(f'"{source}" was trained with another vocabulary: the data have {what}, so words would be '
                         f'taken for others. Use that of its run, {VOCABULARY} in its folder: --cfg-options '
                         'dataset.vocabulary=PATH.')
    before, now = trained['features'], given['features']
    for key in before.keys() & now.keys():
        if None not in (before[key], now[key]) and before[key] != now[key]:
            raise ValueError(f'"{source}" was trained on other features: {key} was {before[key]!r}, of the data it is '
                             f'{now[key]!r}. Use features as those of its training.')
