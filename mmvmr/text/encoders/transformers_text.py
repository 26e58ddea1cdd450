"""Language encoders and text towers of transformers, from a local folder."""
from pathlib import Path
from typing import Dict, Optional, Sequence

import numpy as np

from mmvmr.registry import TEXT_ENCODERS
from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.feature_cache import remembered
from mmvmr.text.open_sentences import OpenSentences
from mmvmr.text.placing import distinct, place_words
from mmvmr.text.text_network import TextNetwork
from mmvmr.text.tokenizer import WordReader
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.transformers_folder import sha256_of_text_side


@TEXT_ENCODERS.register_module()
class TransformersText(OpenSentences):
    """States of tokens, a sentence vector, or both, by a network of transformers.

    Any that :class:`~mmvmr.text.text_network.TextNetwork` loads: BERT and its family, sentence encoders, and the text
    side of CLIP, SigLIP, SigLIP 2 and others.

    **Words.** A token of the network belongs to the word of the sentence with which it shares most characters; the
    place of a word has the mean over its tokens, and its id in the vocabulary. So reconstructors name words, whatever
    the tokens are. With a vocabulary, other words have no place.

    States of the last layer know their neighbours, so a word that is hidden has left its trace in them; with
    ``layer=0``, the embeddings before the first layer, it has not.

    Args:
        weights: Folder with ``config.json``, tokenizer and ``*.safetensors``. No code of it is run.
        vocabulary: Words for the reconstructors.
        data_root: Folder that a relative ``cache`` lies in; that of the data set by default.
        gives: 'both', or 'tokens' or 'sentence' alone. Without states, words have the vectors of the vocabulary.
        layer: Which states the tokens have: of that layer, 0 being the embeddings; by default the output of the last.
        prefix: Stands before each sentence, for networks that were trained with one, such as 'query: '.
        cache: Folder that keeps what was computed, by a hash of its content; nothing is kept by default.
        device: Where the network runs; a GPU if there is one by default.
        sha256: What :func:`~mmvmr.utils.transformers_folder.sha256_of_text_side` must say of the folder.
        tokenizer, tagger: Configs, see :class:`~mmvmr.text.tokenizer.WordReader`.

    Raises:
        FileNotFoundError: If there are no such weights.
        ValueError: If they are damaged, no network that reads text, or not those with that hash.
        ImportError: If ``transformers`` is not installed.
    """

    def __init__(self, weights: str, vocabulary: Optional[Vocabulary] = None, data_root: str = '', gives: str = 'both',
                 layer: Optional[int] = None, prefix: str = '', cache: Optional[str] = None,
                 device: Optional[str] = None, sha256: Optional[str] = None, tokenizer: Optional[Dict] = None,
                 tagger: Optional[Dict] = None) -> None:
        if gives not in ('both', 'tokens', 'sentence'):
            raise ValueError(f"gives must be 'both', 'tokens' or 'sentence', got {gives!r}.")
        self.reader = WordReader(tokenizer, tagger)
        self.network = TextNetwork(weights, layer, prefix, device, self.reader)
        found = sha256_of_text_side(weights)
        if sha256 not in (None, found):
            raise ValueError(f'The text encoder in "{weights}" is not the one that was used before: its sha256 is '
                             f'{found}, it was {sha256}. Put the right files there.')
        self.vocabulary, self.gives = vocabulary, gives
        self.cache = None if cache is None else Path(data_root, cache)
        self.config = dict(type='TransformersText', weights=str(Path(weights).absolute()), gives=gives, layer=layer,
                           prefix=prefix, sha256=found, **self.reader.config)
        probe = self.network.embed(['a'], gives)[0]
        self.sentence_dim = None if probe.sentence is None else probe.sentence.shape[1]
        self.dim: int = (probe.tokens.shape[1] if probe.tokens is not None else
                         vocabulary.vectors.shape[1] if vocabulary is not None else self.sentence_dim)

    def encode(self, queries: Sequence[str], max_words: int, keys: Optional[Sequence] = None,
               source: Optional[str] = None) -> EncodedQueries:
        """Embed every distinct query once, see :class:`~mmvmr.text.interface.TextEncoder`; keys are not needed."""
        texts, numbers = distinct(queries)
        settings = {key: value for key, value in self.config.items() if key not in ('weights', 'tagger')}
        settings['tokenizer'] = [settings.get('tokenizer'), self.reader.names['tokenizer']]
        found = remembered(self.cache, settings, texts, lambda: self.network.embed(texts, self.gives))
        return place_words(found, texts, max_words, self.vocabulary, self.reader, [repr(text) for text in texts], source
                           ).take(numbers)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Sentence vectors (N, Ds) float32."""
        return np.concatenate([one.sentence for one in self.network.embed(texts, 'sentence')])
