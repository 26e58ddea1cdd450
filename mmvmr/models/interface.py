"""What is asked of the parts of a model: one protocol for each of the six verbs, and one for what generators ask.

A part is a plain ``nn.Module`` whose ``forward`` takes and returns what its protocol says. Where a protocol gives an
attribute a value, parts without that attribute count as having this value; an attribute without one must be there.
The letters of the sizes are those of :mod:`mmvmr.structures`.
"""
from typing import Any, Callable, List, Optional, Protocol, Sequence, Tuple

from torch import Tensor, nn

from mmvmr.structures import EncodedQuery, Outputs, Proposals, Query

FIELDS = ('scores', 'probabilities', 'clips')  # of proposals, which some generators give and some losses read
Explain = Callable[[Tensor], Tuple[Tensor, Tensor]]


class Encoder(Protocol):
    """encode: bring clips and words to the hidden size.

    Attributes:
        reads_query: Whether the encoded video depends on the query. Then no reconstructor may see it, which would find
            the hidden words there; so it must be said.
    """
    reads_query: bool

    def __call__(self, video: Tensor, query: Query) -> Tuple[Tensor, EncodedQuery]:
        """video (B, T, Dv), query with features (B, L, Dw) -> video (B, T, D), query with features (B, N, D): a start
        token, then the words. The place of a word depends on that word alone, as words are hidden afterwards.
        """


class ProposalGenerator(Protocol):
    """propose: moments that may answer the query.

    Attributes:
        gives: What its proposals have beside spans and masks, of :data:`FIELDS`: 'scores', higher for better ones, at
            least in prediction; 'probabilities', if these scores are in (0, 1) and can be trained; 'clips'.
        sigma: Width over standard deviation of its masks, if they are Gaussians; negatives and losses that count on it
            must have the same.
        transformer: What can be shared with the reconstructors.
        score_maps: Method (video, query) -> one map (B, N, N) per scale, for the page.
    """
    gives: Sequence[str] = ()
    sigma: Optional[float] = None
    transformer: Optional[nn.Module] = None
    score_maps: Optional[Callable[[Tensor, EncodedQuery], List[Tensor]]] = None

    def __call__(self, video: Tensor, query: EncodedQuery) -> Proposals:
        """video (B, T, D), encoded query -> K proposals with spans (B, K, 2) and masks (B, K, T')."""


class Decoder(Protocol):
    """For generators that score clips: from the curve of these scores to moments, with nothing to train.

    Attributes:
        sigma: As of a generator.
    """
    sigma: Optional[float] = None

    def __call__(self, curve: Tensor, mask: Tensor) -> Proposals:
        """curve (B, T), mask (B, T) bool, True on clips that count -> K proposals with spans, masks (B, K, T) and
        scores, best first. What stands on the other clips, and what else is in the batch, changes nothing."""


class Combiner(Protocol):
    """combine: make other proposals of those that the generator proposed.

    Attributes:
        gives: As of a generator.
        ranks_components: Whether, in prediction, the components are candidates as well, behind what is made of them.
    """
    gives: Sequence[str] = ()
    ranks_components: bool = False

    def __call__(self, components: Proposals, video: Tensor, query: EncodedQuery, explain: Explain) -> Proposals:
        """K components -> P proposals. ``explain(masks (B, M, T')) -> nll (B, M), states (B, M, D)`` asks the
        reconstructor named ``query``; masks (M, T') are for all pairs."""


class Merger(Protocol):
    """For models with advisers: one answer from all of theirs, in prediction.

    Attributes:
        reads: What it reads of each answer beside spans, masks and scores, of :data:`FIELDS`.
        gives: As of a generator.
        observe: Method, called in each training step with what the reconstructor of the model says, the nll (B,) of
            the queries of the batch from the whole of their own video, and from that of the next pair, NaN where both
            are one video.
    """
    reads: Sequence[str] = ()
    gives: Sequence[str] = ('scores',)
    observe: Optional[Callable[[Tensor, Tensor], None]] = None

    def __call__(self, own: Proposals, advice: List[Proposals]) -> Proposals:
        """Ranked proposals of the model and of each adviser -> proposals with masks as long as its own, and scores."""


class Negative(Protocol):
    """oppose: masks that should explain the query worse than the proposals.

    Attributes:
        num_proposals: How many proposals it can oppose; any number without.
        sigma: As of a generator.
        set_progress: Method, called with the share of the training that is done, (0, 1], before each epoch or
            iteration. A loss may have it, too.
    """
    num_proposals: Optional[int] = None
    sigma: Optional[float] = None
    set_progress: Optional[Callable[[float], None]] = None

    def __call__(self, proposals: Proposals, video: Tensor, query: EncodedQuery) -> Tensor:
        """P proposals -> masks (B, P, T'), one for each, or (B, 1, T'), one for all."""


class Reconstructor(Protocol):
    """explain: how badly is the query explained by what a mask lets through?

    Attributes:
        explain: Method as ``forward``, which also gives the average state of the words under each mask, (B, M, D);
            needed by combiners.
        word_scores: Method -> log-probability of each word of the query (B, M, L), for the page.
        word_log_probs: Method -> log-probabilities of all words at every position (B, M, N, V), for the coarse search.
        transformer: What can be shared with the generator.
        keeps_draws: Whether ``forward`` also takes ``draws`` (:class:`~mmvmr.models.layers.attention.Draws`); then only
            the best proposal is differentiated where no loss asks for more.
        common_masks: Whether ``explain`` also takes masks (M, T') that all pairs have in common.
    """
    explain: Optional[Callable[[Tensor, EncodedQuery, Tensor], Tuple[Tensor, Tensor]]] = None
    word_scores: Optional[Callable[[Tensor, EncodedQuery, Tensor], Tensor]] = None
    word_log_probs: Optional[Callable[[Tensor, EncodedQuery, Tensor], Tensor]] = None
    transformer: Optional[nn.Module] = None
    keeps_draws: bool = False
    common_masks: bool = False

    def __call__(self, video: Tensor, query: EncodedQuery, masks: Tensor) -> Tensor:
        """video (B, T, D), encoded query, masks (B, M, T') -> nll (B, M), lower is better."""


class Loss(Protocol):
    """judge, in training.

    Attributes:
        negatives: Names of the negatives whose nll it reads, ``outputs.nll[task][negative]``.
        tasks: Names of the reconstructors whose nll it reads.
        best_only: Whether it needs, of the nll of the proposals, no gradient but that of the lowest.
        reads: What it reads of proposals beside spans and masks, of :data:`FIELDS`.
        sigma: As of a generator.
        set_progress: As of a negative.
    """
    negatives: Sequence[str] = ()
    tasks: Sequence[str] = ()
    best_only: bool = False
    reads: Sequence[str] = ()
    sigma: Optional[float] = None
    set_progress: Optional[Callable[[float], None]] = None

    def __call__(self, outputs: Outputs) -> Tensor:
        """All that is known -> a scalar."""


class Ranker(Protocol):
    """judge, in prediction.

    Attributes:
        negatives: Names of the negatives whose nll it reads, of every candidate.
        reads: As of a loss. A ranker that reads 'scores' reads no nll, so that none is computed.
    """
    negatives: Sequence[str] = ()
    reads: Sequence[str] = ()

    def __call__(self, outputs: Outputs) -> Tensor:
        """All that is known of C candidates, ``outputs.proposals`` -> scores (B, C), higher is better."""


def trait(part: Optional[nn.Module], verb: type, name: str) -> Any:
    """An attribute of a part, or what counts for parts without it."""
    return getattr(part, name, getattr(verb, name, None))
