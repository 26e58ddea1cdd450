"""The records that travel between the parts, and the letters that name their sizes. Read this file first.

======  ==========================================================
letter  meaning
======  ==========================================================
B       video-query pairs in the batch
T       clips per video (every video is resampled to T clips)
T'      length of a mask, and so the resolution of a reconstruction
L       words of the longest query in the batch
S       sentence vectors of a query: its own, and those of its paraphrases
K       proposals per pair
C       candidates per pair: what a combiner made of them or else they, as the ranker orders them
M       masks given to a reconstructor
N       places of an encoded query: the start token and the L words
D       hidden size (Dv, Dw and Ds before the encoder)
V       words the reconstructor can name (class 0 ends a query)
======  ==========================================================

All records are immutable; ``record._replace(field=...)`` gives a changed copy. None of them holds an annotated
span: that is the weak supervision. Ground truth lives in :class:`MomentSample` alone, which no part receives.
"""
from typing import Dict, NamedTuple, Optional

from mmengine.structures import BaseDataElement
from torch import Tensor


class Query(NamedTuple):
    """A batch of queries as the data set gives them, padded at the end to L words."""
    features: Tensor  # (B, L, Dw) word vectors, or states of the words in their sentence
    mask: Tensor  # (B, L) bool, True on words
    word_ids: Tensor  # (B, L) int64, 1..V-1, 0 on padding
    word_weights: Tensor  # (B, L) how likely a word is to be hidden, relative to the others; 0 on padding
    hidden: Optional[Tensor] = None  # (B, L) bool, True on words that the reconstructors must not see
    seeds: Optional[Tensor] = None  # (B,) int64, what random choices for a pair depend on; in training only
    sentences: Optional[Tensor] = None  # (B, S, Ds) a vector of the whole query, then of its paraphrases, where known


class EncodedQuery(NamedTuple):
    """The same queries after the encoder, with the learned vectors that pass through the same projections."""
    features: Tensor  # (B, N, D): a start token, then the words; N = L + 1
    mask: Tensor  # (B, N) bool, True on the start token and on words
    words: Query  # what was encoded
    blank: Optional[Tensor] = None  # (D,) what a hidden word is replaced by
    readout: Optional[Tensor] = None  # (B, 1, D) token after the last clip, from which proposals may be read


class Batch(NamedTuple):
    """What the data preprocessor hands to the model."""
    video: Tensor  # (B, T, Dv) clip features
    query: Query
    video_ids: Optional[Tensor] = None  # (B,) int64, equal in pairs of one video; without, each has its own


class Clips(NamedTuple):
    """What a generator or a scan knows of single clips, for the losses that judge clips (MSCL) and for mergers."""
    scores: Tensor  # (B, T), how well the clip matches the query, in (0, 1) where a loss reads it
    features: Optional[Tensor] = None  # (B, T, E) of unit length, for contrast between clips
    # in training, (B, R, T) under the queries of the next R pairs, round the whole batch
    mismatched: Optional[Tensor] = None


class Proposals(NamedTuple):
    """Proposed moments. A mask is the one currency: every reconstructor can use it, whoever made it."""
    spans: Tensor  # (B, K, 2) start and end as fractions of the video, may reach beyond [0, 1]
    masks: Tensor  # (B, K, T') in [0, 1]: how much of each clip belongs to the proposal
    scores: Optional[Tensor] = None  # (B, K) the generator's own confidence, where it has one
    clips: Optional[Clips] = None  # where the generator scores clips


class Outputs(NamedTuple):
    """Everything that the losses and the ranker may look at."""
    video: Tensor  # (B, T, D)
    query: EncodedQuery
    video_ids: Optional[Tensor]  # (B,) int64
    components: Proposals  # what the generator proposed
    proposals: Proposals  # the same, or what the combiner made of it
    nll: Dict[str, Dict[str, Tensor]]  # nll[task][mask name] -> (B, K) or (B, 1), lower is better; see MomentRetriever
    num_combined: int = 0  # in prediction, how many candidates were made by a combiner of those that follow them


class MomentSample(BaseDataElement):
    """One video-query pair at the boundary of the toolbox; the only record with ground truth.

    Metainfo: ``video_id``, ``query`` and ``duration`` (seconds), ``sample_idx``. Data: ``gt_spans`` (N, 2) in seconds
    where annotated and, after prediction, ``pred_spans`` (C, 2) in seconds, best first, with ``pred_scores`` (C,).
    """
