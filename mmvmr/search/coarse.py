"""Coarse vectors: how well every word of the vocabulary fits every piece of a window, without a query.

The coarse score of a window for a query is the best of its pieces, and that of a piece the sum over the words of the
query. So the vectors of all windows are computed once, and a query takes one matrix product. Without training, in a
space that clips and sentences share, a piece has the mean of its clips, and its score is the product with the sentence.
"""
import hashlib
import json
from typing import Callable, Tuple

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.engine.run.input_recipe import fingerprint
from mmvmr.functional.masks import span_mask
from mmvmr.models.interface import Reconstructor, trait
from mmvmr.models.proposal_generators.similarity import SimilarityProposalGenerator
from mmvmr.registry import DATASETS
from mmvmr.structures import Query
from mmvmr.text.encoded_queries import EncodedQueries

PIECES = 16  # of a window; each is 1/8 of it, and overlaps the next by half
HIDDEN_WORDS = 6  # of the query that is to be filled in
SHRINKAGE = 0.025  # of the regression, per training video

Coarse = Callable[[Tensor], Tensor]


def make_coarse(inferencer: MomentRetrievalInferencer) -> Coarse:
    """A function that turns the clips (1, T, Dv) of a window into coarse vectors (S, V), or (S, Dv) in a joint space.

    They come from a reconstructor that fills in hidden words, if the model has one, else from a regression that is
    fitted to the training pairs; see docs/search_videos.md for what either is worth.

    Raises:
        ValueError: If the model knows no words.
        FileNotFoundError: If the regression needs the training set, and it is not there.
    """
    if in_joint_space(inferencer):
        return lambda clips: mean_pieces(clips[0].float())
    if inferencer.recipe.vocabulary is None:
        raise ValueError('A search looks windows up by the words of a vocabulary, and this model was trained without '
                         'one. Train it with `vocabulary` of the data set, or use `mmvmr infer` on each video.')
    for reconstructor in inferencer.model.reconstructors.values():
        if trait(reconstructor, Reconstructor, 'word_log_probs') is not None:
            word_dim = inferencer.text.dim
            return lambda clips: expected_words(inferencer.model, reconstructor, clips, word_dim)
    weights = fit_words(inferencer.cfg)
    return lambda clips: pool_pieces(clips[0].float()) @ weights


def in_joint_space(inferencer: MomentRetrievalInferencer) -> bool:
    """Whether clips are compared with the vector of the sentence as they are."""
    return isinstance(inferencer.model.proposal_generator, SimilarityProposalGenerator)


def coarse_size(inferencer: MomentRetrievalInferencer) -> int:
    """V, or Dv in a joint space."""
    return inferencer.recipe.features['dim'] if in_joint_space(inferencer) else len(inferencer.recipe.vocabulary)


def coarse_query(inferencer: MomentRetrievalInferencer, encoded: EncodedQueries) -> Tuple[np.ndarray, np.ndarray]:
    """Which rows of the coarse vectors the first of the queries reads, and how much each of them counts."""
    if in_joint_space(inferencer):
        vector = encoded.sentences[0, 0]
        return np.arange(len(vector)), vector / max(np.linalg.norm(vector), 1e-12)
    words = encoded.word_ids[0]
    words = words[words > 0]
    return words, np.ones(len(words), np.float32)


def sha256_of_inputs(inferencer: MomentRetrievalInferencer) -> str:
    """By which models that have no checkpoint are told apart: those of features and text, and what is made of them."""
    known = fingerprint(inferencer.text, inferencer.recipe.features), inferencer.cfg.model.to_dict()
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def mean_pieces(clips: Tensor) -> Tensor:
    """Clips (T, Dv) -> the mean of the clips in each piece, which count alike whatever their length: (S, Dv)."""
    inside = (span_mask(piece_spans(PIECES), len(clips)) > 0).float()
    return inside @ nn.functional.normalize(clips, dim=-1) / inside.sum(dim=1, keepdim=True).clamp(min=1)


def piece_spans(count: int) -> Tensor:
    """Spans (S, 2) of the pieces, as fractions of the window.

    Example:
        >>> piece_spans(4)
        tensor([[0.0000, 0.3750],
                [0.1250, 0.6250],
                [0.3750, 0.8750],
                [0.6250, 1.0000]])
    """
    middles = (torch.arange(count) + 0.5) / count
    return torch.stack([middles - 1 / count, middles + 1 / count], dim=1).clamp(0, 1)


@torch.no_grad()
def expected_words(model: nn.Module, reconstructor: nn.Module, clips: Tensor, word_dim: int) -> Tensor:
    """Log-probabilities of the words in a query of hidden words alone, reconstructed from each piece.

    Averaged over the positions of the query, as it is not known where a word will stand.

    Args:
        clips: (1, T, Dv).
        word_dim: Dw.

    Returns:
        (S, V).
    """
    device = next(model.parameters()).device
    ones = torch.ones(1, HIDDEN_WORDS, device=device)
    features = torch.zeros(1, HIDDEN_WORDS, word_dim, device=device)
    query = Query(features, mask=ones.bool(), word_ids=ones.long(), word_weights=ones, hidden=ones.bool())
    video, query = model.encoder(clips.float().to(device), query)
    num_clips = model.proposal_generator(video, query).masks.size(-1)  # T', with which the reconstructor was trained
    masks = span_mask(piece_spans(PIECES), num_clips)
    words = reconstructor.word_log_probs(video, query, masks[None].to(device))[0]  # (S, N, V)
    return words.exp().mean(dim=1).log().cpu()


def pool_pieces(clips: Tensor) -> Tensor:
    """Clips (T, Dv) -> the largest value of each feature in each piece, and 1 for the offset: (S, Dv + 1)."""
    inside = span_mask(piece_spans(PIECES), len(clips)) > 0
    pooled = torch.stack([clips[piece].amax(dim=0) for piece in inside])
    return torch.cat([pooled, torch.ones(PIECES, 1)], dim=1)


def fit_words(config: Config) -> Tensor:
    """Ridge regression from whole training videos to the words that their sentences use.

    Only pairs of a video and a sentence are seen, no timestamps.

    Returns:
        Weights (Dv + 1, V): pooled features times weights say how much likelier than usual each word is.
    """
    dataset = DATASETS.build(config.train_dataloader.dataset)
    dataset.full_init()
    rows = {}
    for row, pair in enumerate(dataset.data_list):
        rows.setdefault(pair['video_id'], []).append(row)
    clips = torch.from_numpy(dataset.store.read_clips(list(rows), dataset.num_clips)).float()
    features = clips.amax(dim=1).double()  # (N, Dv)
    words = torch.zeros(len(rows), len(dataset.vocabulary), dtype=torch.float64)
    for number, queries in enumerate(rows.values()):
        words[number, torch.from_numpy(dataset.encoded.word_ids[queries].astype(np.int64)).flatten()] = 1
    mean, std = features.mean(dim=0), features.std(dim=0, correction=0) + 1e-6
    features, words = (features - mean) / std, words - words.mean(dim=0)
    ridge = SHRINKAGE * len(rows) * torch.eye(features.size(1), dtype=torch.float64)
    slopes = torch.linalg.solve(features.T @ features + ridge, features.T @ words) / std[:, None]
    return torch.cat([slopes, -(mean @ slopes)[None]]).float()
