"""The text side of an extractor of one's own."""
from typing import Dict, Optional, Sequence

import numpy as np

from mmvmr.registry import EXTRACTORS, TEXT_ENCODERS
from mmvmr.text.encoded_queries import EncodedQueries
from mmvmr.text.open_sentences import OpenSentences
from mmvmr.text.placing import distinct, place_words
from mmvmr.text.query_store import QueryFeatures
from mmvmr.text.tokenizer import WordReader
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.vectors import checked_vectors


@TEXT_ENCODERS.register_module()
class AdapterText(OpenSentences):
    """Sentence vectors by ``embed_text`` of an extractor, in the space of its frames.

    Args:
        adapter: Config of the extractor, see :class:`~mmvmr.features.extractors.frame_embedder.FrameEmbedder`.
        vocabulary: Words for the reconstructors, whose features are the vectors of the vocabulary.
        tokenizer, tagger: Configs, see :class:`~mmvmr.text.tokenizer.WordReader`.

    Raises:
        ValueError: If it is no registered extractor, or has no ``embed_text``.
    """

    def __init__(self, adapter: Dict, vocabulary: Optional[Vocabulary] = None, tokenizer: Optional[Dict] = None,
                 tagger: Optional[Dict] = None) -> None:
        if not EXTRACTORS.holds(adapter):
            raise ValueError(f'The text side of the features is that of {adapter!r}, which is no registered extractor. '
                             'Import its module, by `custom_imports` of the config or as a plugin.')
        self.adapter, self.vocabulary = EXTRACTORS.build(dict(adapter)), vocabulary
        if not hasattr(self.adapter, 'embed_text'):
            raise ValueError(f'{adapter["type"]} has no embed_text, so its features have no text side. Add it, see '
                             'docs/adapters.md.')
        self.reader = WordReader(tokenizer, tagger)
        self.config = dict(type='AdapterText', adapter=dict(adapter), **self.reader.config)
        self.sentence_dim: int = self.embed(['a']).shape[1]
        self.dim: int = self.sentence_dim if vocabulary is None else vocabulary.vectors.shape[1]

    def encode(self, queries: Sequence[str], max_words: int, keys: Optional[Sequence] = None,
               source: Optional[str] = None) -> EncodedQueries:
        """Embed every distinct query once, see :class:`~mmvmr.text.interface.TextEncoder`; keys are not needed."""
        texts, numbers = distinct(queries)
        found = [QueryFeatures(vector[None], None, None) for vector in self.embed(texts)]
        return place_words(found, texts, max_words, self.vocabulary, self.reader, texts, source).take(numbers)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Sentence vectors (N, Ds) float32."""
        return checked_vectors(self.adapter.embed_text(list(texts)), len(texts),
                               f'{type(self.adapter).__name__}.embed_text')
