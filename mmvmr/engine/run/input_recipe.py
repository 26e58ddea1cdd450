"""What turns a video and a sentence into an input of a trained model, kept in the folder of its run."""
import json
from pathlib import Path
from statistics import median
from typing import Any, Dict, NamedTuple, Optional, Union

from mmvmr.registry import TEXT_ENCODERS
from mmvmr.text.interface import TextEncoder
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.files import write_text

RECIPE, VOCABULARY = 'inputs.json', 'vocabulary.npz'
# arguments of an extractor or a text encoder that do not change what it gives
_WHERE_IT_RAN = ('weights', 'features', 'device', 'batch_size')
_HOW_OFTEN = ('fps', 'clip_seconds', 'dtype')  # these change when and how finely it looks, not what rows mean


class InputRecipe(NamedTuple):
    """The settings of a training set that its model has to meet again when it is used."""
    vocabulary: Optional[Vocabulary]  # None where the text encoder does without
    features: Dict  # ``dim``; if known ``extractor``, ``weights_sha256``, ``clip_seconds``, ``text``, or ``streams``
    num_clips: Optional[int]  # T; None: as many as a video has
    max_words: int
    median_duration: float  # seconds, of the training videos
    longest_duration: float
    text: Optional[Dict] = None  # config of the text encoder beside its vocabulary; None: the vectors of its words

    @property
    def text_encoder(self) -> TextEncoder:
        """The text encoder of the training, built anew.

        Raises:
            FileNotFoundError, ValueError: If it is of no known kind, or its files are absent or damaged.
        """
        config = self.text or dict(type='WordVectors')
        if not TEXT_ENCODERS.holds(config):
            raise ValueError(f'The text encoder of this model is {config!r}, which is none of '
                             f'{", ".join(sorted(TEXT_ENCODERS.module_dict))}. If it is a part of your own, import its '
                             'module, by `custom_imports` of the config or as a plugin.')
        try:
            return TEXT_ENCODERS.build(dict(config, vocabulary=self.vocabulary))
        except FileNotFoundError as error:
            raise FileNotFoundError(f'The text encoder of this model is not where it was. {error} If it has moved, say '
                                    f'where it is now in "text" of {RECIPE} in the folder of the run.') from error

    @classmethod
    def from_dataset(cls, dataset: Any) -> 'InputRecipe':
        """The recipe that a data set with features follows."""
        dataset.full_init()
        durations = dict(zip(dataset.data_list.videos.tolist(), dataset.data_list.durations.tolist())).values()
        return cls(dataset.vocabulary, known_features(dataset.store), dataset.num_clips, dataset.max_words,
                   median(durations), max(durations), dataset.text.config)

    def save(self, folder: Union[str, Path]) -> None:
        """Write ``vocabulary.npz`` and, when that is whole, ``inputs.json``."""
        if self.vocabulary is not None:
            self.vocabulary.save(Path(folder, VOCABULARY))
        settings = {key: value for key, value in self._asdict().items()
                    if key != 'vocabulary' and (key, value) != ('text', None)}
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
            words = path.with_name(VOCABULARY)
            wordless = isinstance(settings, dict) and settings.get('text') and not words.exists()
            return cls(None if wordless else Vocabulary.load(words), **settings)
        except FileNotFoundError:
            raise
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f'"{path}" cannot be read ({error}). Copy the run again; without {RECIPE} and '
                             f'{VOCABULARY}, the files that the config names are used.') from error


def known_features(store: Any) -> Dict:
    """What a feature store says about where its rows come from."""
    return recipe_features(store.dim, getattr(store, 'manifest', {}))


def recipe_features(dim: int, manifest: Dict) -> Dict:
    """What a recipe keeps of the manifest of features."""
    known = dict(_origin(manifest), dim=dim)
    if 'streams' in manifest:
        known['streams'] = [dict(_origin(stream), dim=stream['dim'], normalize=stream['normalize'])
                            for stream in manifest['streams']]
    return known


def _origin(manifest: Dict) -> Dict:
    return {key: manifest[key] for key in ('extractor', 'weights_sha256', 'clip_seconds', 'text') if key in manifest}


def data_fingerprint(dataset: Any) -> Optional[Dict[str, Any]]:
    """The :func:`fingerprint` of a data set with features and words; None of another one."""
    store, text = getattr(dataset, 'store', None), getattr(dataset, 'text', None)
    return None if store is None or text is None else fingerprint(text, known_features(store))


def fingerprint(text: TextEncoder, features: Dict) -> Dict[str, Any]:
    """By which the meaning of the inputs of a model is told apart: plain data, for checkpoints."""
    features = _essence(features)
    if 'streams' in features:
        features['streams'] = [_essence(stream) for stream in features['streams']]
    words = text.vocabulary and dict(words=len(text.vocabulary.words), sha256=text.vocabulary.sha256)
    found = dict(vocabulary=words, features=features, reader=text.reader.names)
    if text.config is not None:
        found['text'] = dict(_what(text.config), dim=text.dim, sentence_dim=text.sentence_dim)
    return found


def _essence(features: Dict) -> Dict:
    """What decides about the rows of features; their text side is told where it is used."""
    extractor = features.get('extractor')
    kept = {key: value for key, value in features.items() if key != 'text'}
    return dict(kept, extractor=_what(extractor) if isinstance(extractor, dict) else extractor)


def _what(config: Dict) -> Dict:
    """The config of a part without what depends on the machine."""
    return {key: value for key, value in config.items() if key not in _WHERE_IT_RAN}


def check_inputs(trained: Optional[Dict[str, Any]], given: Dict[str, Any], source: Union[str, Path],
                 of_config: bool = False) -> None:
    """Refuse inputs that mean something else than those that weights were trained on.

    Args:
        trained: The fingerprint in a checkpoint; None in those of earlier versions, of which nothing can be said.
        given: The fingerprint of the data at hand.
        source: The checkpoint.
        of_config: The data are those of a config, which can be changed.

    Raises:
        ValueError: If the words are numbered in another way, or the features come from elsewhere; what one of both does
            not know is passed over.
    """
    if not trained:
        return
    encoder, other = (found.get('text') or 'WordVectors' for found in (trained, given))
    if encoder != other:
        raise ValueError(f'"{source}" was trained with the text encoder {encoder}, the data have {other}. Use that of '
                         'its run: `text` of the data set.')
    for part, name in trained.get('reader', {}).items():  # checkpoints of earlier versions do not tell it
        if given['reader'][part] != name:
            raise ValueError(f'"{source}" was trained on sentences as read by the {part} {name!r}; the {part} of the '
                             f'data is {given["reader"][part]!r} now, so words would be taken for others. Use the one '
                             'of its training, or train again.')
    words, others = trained['vocabulary'], given['vocabulary']
    if words != others:
        own = Path(source).absolute().with_name(VOCABULARY)
        remedy = (f'Copy {VOCABULARY} of its run to where it lay.' if not of_config else
                  f'Use that of its run: --cfg-options dataset.vocabulary={own}' if own.is_file() else
                  f'Use {VOCABULARY} in the folder of its run: --cfg-options dataset.vocabulary=PATH')
        raise ValueError(f'"{source}" was trained with another vocabulary: the data have {_difference(words, others)}, '
                         f'so words would be taken for others. {remedy}')
    before, now = trained['features'], given['features']
    for key in before.keys() & now.keys():
        if None not in (before[key], now[key]) and before[key] != now[key]:
            raise ValueError(f'"{source}" was trained on other features: {key} was {before[key]!r}, of the data it is '
                             f'{now[key]!r}. Use features as those of its training.')


def check_meaning(known: Dict, given: Dict, name: str) -> None:
    """Refuse rows that another extractor has made, or that lie in the space of another text encoder.

    Args:
        known: What a model knows of its features, see :func:`known_features`.
        given: The same of the rows.
        name: Of the rows, for messages.

    Raises:
        ValueError: If they differ in what both tell.
    """
    for before, now in zip(known.get('streams', [known]), given.get('streams', [given])):
        before, now = _meaning(before), _meaning(now)
        for key in before.keys() & now.keys():
            if before[key] != now[key]:
                raise ValueError(f'The features of "{name}" are not of the kind that the model looks at: their {key} '
                                 f'is {now[key]!r}, its is {before[key]!r}. Give it features that were made as its '
                                 'own, or the model and the config that belong to these.')


def _meaning(features: Dict) -> Dict:
    text, extractor = features.get('text') or {}, features.get('extractor')
    extractor = ({key: value for key, value in _what(extractor).items() if key not in _HOW_OFTEN}
                 if isinstance(extractor, dict) else extractor)
    found = dict({f'text {key}': text.get(key) for key in ('type', 'sha256', 'adapter')}, extractor=extractor,
                 weights_sha256=features.get('weights_sha256'))
    return {key: value for key, value in found.items() if value is not None}


def _difference(words: Optional[Dict], others: Optional[Dict]) -> str:
    if words is None or others is None:
        return 'no words instead of some' if others is None else 'words instead of none'
    if words['words'] != others['words']:
        return f'{others["words"]} words instead of {words["words"]}'
    return 'as many words, but in another order or with other vectors'
