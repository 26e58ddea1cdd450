"""A network of transformers that reads text: states of its tokens, and to which words they belong."""
import json
import logging
from itertools import groupby
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.nn import functional as F

from mmvmr.text.query_store import QueryFeatures
from mmvmr.text.tokenizer import WordReader
from mmvmr.utils.devices import device_of_network
from mmvmr.utils.progress import progress
from mmvmr.utils.transformers_folder import load_network, load_tokenizer

_PADDED = ('siglip', 'siglip2')  # are trained on sentences that are filled up, and read the last place
_POOLINGS = dict(pooling_mode_cls_token='cls', pooling_mode_mean_tokens='mean', pooling_mode_lasttoken='last')
_ACTIVATIONS = {f'torch.nn.modules.{name}': function for name, function in {
    'activation.Tanh': torch.tanh, 'activation.ReLU': F.relu, 'activation.GELU': F.gelu,
    'activation.Sigmoid': torch.sigmoid, 'linear.Identity': lambda vectors: vectors}.items()}
_BATCH, _MANY = 64, 1000  # sentences


class Tokens(NamedTuple):
    """A sentence as a network reads it."""
    inputs: Dict[str, List[int]]  # (L,) ids and, where the network was trained with it, a mask
    words: np.ndarray  # (L,) to which word each token belongs, -1 for none


class TextNetwork:
    """What ``AutoModel`` loads from a folder and reads text: BERT and its family, text towers, language models.

    The sentence vector is the result of ``get_text_features`` where there is that, in the space of the pictures. Of
    other networks it is the mean over all tokens, or what the folder of a sentence encoder says in ``modules.json``.

    Args:
        folder: With ``config.json``, tokenizer and ``*.safetensors``. No code of it is run.
        layer: Which states the tokens have: of that layer, 0 being the embeddings; by default the output of the last.
        prefix: Stands before each sentence.
        device: Where it runs; a GPU if there is one by default. In between it lies in the memory of the CPU.
        reader: What cuts sentences into the words that tokens belong to.

    Raises:
        FileNotFoundError, ImportError, ValueError: If it cannot be loaded, or reads no text.
    """

    def __init__(self, folder: Union[str, Path], layer: Optional[int] = None, prefix: str = '',
                 device: Optional[str] = None, reader: Optional[WordReader] = None) -> None:
        self.folder, self.layer, self.prefix, self.reader = Path(folder), layer, prefix, reader or WordReader()
        self.device = device_of_network(device)
        self.network = load_network(folder)
        self._joint = hasattr(self.network, 'get_text_features')
        if not self._joint and self.network.main_input_name != 'input_ids':
            raise ValueError(f'"{folder}" holds a {type(self.network).__name__}, which reads '
                             f'{self.network.main_input_name} and no text. Give a language encoder, or a model of '
                             'images and text.')
        if self._joint and isinstance(getattr(self.network, 'vision_model', None), torch.nn.Module):
            self.network.vision_model = None
        self.tokenizer = load_tokenizer(folder)
        config = self.network.config.get_text_config()
        self._pooling, self._after = (None, []) if self._joint else _read_pooling(self.folder)
        self._filled = self.network.config.model_type in _PADDED
        positions = getattr(config, 'max_position_embeddings', None)
        known = self.tokenizer.model_max_length < 10**6
        self._limit = positions if self._filled else (
            self.tokenizer.model_max_length if known else positions and positions - 2)
        depth = getattr(config, 'num_hidden_layers', None)
        if layer is not None and depth is not None and not 0 <= layer <= depth:
            raise ValueError(f'The network in "{folder}" has layers 1 to {depth}, and the embeddings, 0; got '
                             f'layer={layer}.')

    def embed(self, texts: Sequence[str], gives: str = 'both') -> List[QueryFeatures]:
        """Sentence vectors (1, Ds) and states of the tokens that belong to words, of each text.

        Texts of as many tokens go through the network together, so nothing depends on padding.

        Args:
            gives: 'both', 'tokens' or 'sentence'.

        Raises:
            ValueError: If states are asked for, and the tokenizer does not say where its tokens lie.
        """
        tokens = self._tokenize(texts, gives != 'sentence')
        found: List[Optional[QueryFeatures]] = [None] * len(texts)
        self.network.to(self.device)
        try:
            with progress(total=len(texts), desc='Encoding sentences', hidden=len(texts) < _MANY) as bar:
                for numbers in _batches([len(one.inputs['input_ids']) for one in tokens]):
                    sentences, states = self._forward([tokens[number].inputs for number in numbers], gives)
                    if not all(np.isfinite(part).all() for part in (sentences, states) if part is not None):
                        raise ValueError(f'The network in "{self.folder}" gives NaN or infinite numbers for '
                                         f'{texts[numbers[0]]!r}: its weights are damaged. Fetch them again.')
                    for row, number in enumerate(numbers):
                        words = tokens[number].words
                        found[number] = QueryFeatures(
                            None if gives == 'tokens' else sentences[row:row + 1],
                            None if gives == 'sentence' else states[row][words >= 0],
                            None if gives == 'sentence' else words[words >= 0])
                    bar.update(len(numbers))
        finally:
            self.network.cpu()  # a GPU is needed for other things
        return found

    def _tokenize(self, texts: Sequence[str], aligned: bool) -> List[Tokens]:
        if aligned and not self.tokenizer.is_fast:
            raise ValueError(f'The tokenizer in "{self.folder}" does not say where its tokens lie in a sentence, so '
                             "they cannot be given to words. Put its tokenizer.json there, or take gives='sentence'.")
        filled = dict(padding='max_length') if self._filled else {}
        cut = dict(truncation=True, max_length=self._limit) if self._limit else {}
        read = self.tokenizer([self.prefix + text or ' ' for text in texts],
                              return_offsets_mapping=aligned, **filled, **cut)
        offsets = read.pop('offset_mapping', [[]] * len(texts))
        inputs = [dict(zip(read, one)) for one in zip(*read.values())]
        before = len(self.prefix)
        self._warn_of_cut(texts)
        return [Tokens(one, owners([(start - before, end - before) for start, end in places], self.reader.spans(text)))
                for text, one, places in zip(texts, inputs, offsets)]

    def _warn_of_cut(self, texts: Sequence[str]) -> None:
        """Say which texts have more tokens than the network reads."""
        limit = self._limit or float('inf')
        long = [self.prefix + text for text in texts if len((self.prefix + text).encode()) + 2 > limit]
        read = self.tokenizer(long, verbose=False)['input_ids'] if long else []
        cut = [text for text, ids in zip(long, read) if len(ids) > limit]
        if cut:
            print_log(f'{len(cut)} of {len(texts)} sentences have more than the {limit} tokens that the network in '
                      f'"{self.folder}" reads; what is behind them counts for nothing, as in "{cut[0][:60]}...".',
                      'current', logging.WARNING)

    @torch.inference_mode()
    def _forward(self, inputs: List[Dict], gives: str) -> Tuple[Optional[np.ndarray], Optional[np.ndarray]]:
        """Sentence vectors (B, Ds), and states (B, L, Dw)."""
        run = self.network.get_text_features if self._joint else self.network
        batch = {name: torch.tensor([one[name] for one in inputs], device=self.device) for name in inputs[0]}
        out = run(**batch, output_hidden_states=self.layer is not None)
        sentences = states = None
        if gives != 'tokens':
            sentences = self._pool(out).float().cpu().numpy()
        if gives != 'sentence':
            states = out.last_hidden_state if self.layer is None else out.hidden_states[self.layer]
            states = states.float().cpu().numpy()
        return sentences, states

    def _pool(self, out: Any) -> Tensor:
        if self._joint:
            return out if isinstance(out, Tensor) else out.pooler_output
        states = out.last_hidden_state
        pooled = dict(cls=lambda: states[:, 0], mean=lambda: states.mean(dim=1), last=lambda: states[:, -1])
        vectors = pooled[self._pooling]()
        for step in self._after:
            vectors = step(vectors)
        return vectors


def owners(tokens: Sequence[Tuple[int, int]], words: Sequence[Tuple[int, int]]) -> np.ndarray:
    """To which word each token belongs: that with which it shares most characters, the first of several; -1 for none.

    Example:
        >>> owners([(0, 0), (0, 1), (1, 7), (7, 12), (12, 13)], [(0, 1), (2, 12), (12, 13)])
        array([-1,  0,  1,  1,  2])
    """
    if not len(words) or not len(tokens):
        return np.full(len(tokens), -1)
    tokens, words = np.array(tokens).reshape(-1, 1, 2), np.array(words)
    shared = np.minimum(tokens[..., 1], words[:, 1]) - np.maximum(tokens[..., 0], words[:, 0])
    return np.where(shared.max(axis=1) > 0, shared.argmax(axis=1), -1)


def _batches(lengths: Sequence[int]) -> Iterator[List[int]]:
    """Numbers of the texts in batches of equal length."""
    order = sorted(range(len(lengths)), key=lambda number: lengths[number])
    for _, group in groupby(order, key=lambda number: lengths[number]):
        numbers = list(group)
        for first in range(0, len(numbers), _BATCH):
            yield numbers[first:first + _BATCH]


def _read_pooling(folder: Path) -> Tuple[str, List[Callable[[Tensor], Tensor]]]:
    """How a sentence encoder makes a vector of states, and what becomes of it then; the mean where nothing is said.

    Raises:
        ValueError: If it does so in a way that is not known here.
    """
    from safetensors import SafetensorError  # comes with transformers
    if not (folder / 'modules.json').is_file():
        return 'mean', []
    try:
        modules = json.loads((folder / 'modules.json').read_text(encoding='utf-8'))
        steps = [(str(module['type']).split('.')[-1], str(module['path'])) for module in modules]
        kinds = [kind for kind, _ in steps]
        outside = [path for _, path in steps if '..' in path or path.startswith('/')]
        if kinds[:2] != ['Transformer', 'Pooling'] or set(kinds[2:]) - {'Dense', 'Normalize'} or outside:
            raise ValueError(f'it has {", ".join(outside or kinds)}')
        pooling = json.loads((folder / steps[1][1] / 'config.json').read_text(encoding='utf-8'))
        chosen = [name for key, name in _POOLINGS.items() if pooling.get(key) or pooling.get('pooling_mode') == name]
        others = [key for key, value in pooling.items() if key.startswith('pooling_mode') and value is True
                  and key not in _POOLINGS]
        if len(chosen) != 1 or others:
            raise ValueError(f'it pools by {", ".join([*chosen, *others]) or "nothing"}')
        after = [_unit_length if kind == 'Normalize' else _read_dense(folder / path) for kind, path in steps[2:]]
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, RuntimeError,
            SafetensorError) as error:
        raise ValueError(f'How the sentence encoder in "{folder}" makes a vector of a sentence is not known here '
                         f'({type(error).__name__}: {error}). Read are Transformer, Pooling (one of first token, mean, '
                         'last token), then Dense and Normalize. Compute its vectors elsewhere, for PrecomputedText, '
                         'or write an adapter (docs/adapters.md).') from error
    return chosen[0], after


def _unit_length(vectors: Tensor) -> Tensor:
    return F.normalize(vectors, dim=-1)


def _read_dense(folder: Path) -> Callable[[Tensor], Tensor]:
    """A linear layer of a sentence encoder, and its activation."""
    from safetensors.torch import load_file
    settings = json.loads((folder / 'config.json').read_text(encoding='utf-8'))
    activation = str(settings.get('activation_function', 'torch.nn.modules.activation.Tanh'))
    if activation not in _ACTIVATIONS:
        raise ValueError(f'a Dense layer has the activation {activation}; known are {", ".join(_ACTIVATIONS)}')
    if not (folder / 'model.safetensors').is_file():
        raise ValueError(f'"{folder.name}" has no model.safetensors; pickled weights (.bin) may run code and are not '
                         'read, sentence-transformers saves the folder anew with safe_serialization=True')
    weights = {name: value.float() for name, value in load_file(folder / 'model.safetensors').items()}
    layer = torch.nn.Linear(settings['in_features'], settings['out_features'], settings.get('bias', True))
    layer.load_state_dict({name.removeprefix('linear.'): value for name, value in weights.items()})
    layer.requires_grad_(False)
    return lambda vectors: _ACTIVATIONS[activation](layer.to(vectors.device)(vectors.float()))
