"""Proposals as cells of two-dimensional maps of the video, start by end, at several scales."""
from typing import List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmvmr.functional.maps import max_pool_moments, moment_index, neighbour_weights, valid_cells
from mmvmr.functional.masks import span_mask
from mmvmr.functional.noise import gumbel, pair_noise
from mmvmr.functional.spans import temporal_nms
from mmvmr.models.layers.recurrence import run_lstm
from mmvmr.registry import PROPOSAL_GENERATORS
from mmvmr.structures import EncodedQuery, Proposals

_TEMPERATURE = 0.1  # of the draw among the cells that are not the best ones; our reconstruction
_AFTER_WORDS = 1 << 20  # random numbers of a pair that are left to the words to be hidden


class MapScale(nn.Module):
    """What is fixed for a map of N x N cells, C of which are valid."""

    def __init__(self, size: int, num_clips: int, kernel_size: int, num_layers: int) -> None:
        super().__init__()
        self.size = size
        valid = valid_cells(size)
        cells = valid.nonzero()  # (C, 2)
        spans = (cells + torch.tensor([0, 1])) / size
        constants = dict(
            spans=spans,  # (C, 2)
            masks=span_mask(spans, num_clips),  # (C, T')
            moments=moment_index(cells, size),  # (C,) where they are pooled
            places=cells[:, 0] * size + cells[:, 1],  # (C,) where they are on the map
            weights=neighbour_weights(valid, kernel_size, num_layers))  # (layers, N, N)
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)


@PROPOSAL_GENERATORS.register_module()
class TemporalMapProposalGenerator(nn.Module):
    """The best cells of several temporal maps that were matched with the query (MS-2D-RL, ICPR 2020).

    Per scale j the clips are averaged to N_j; cell (x, y) is the maximum of the clips x to y and is fused with the code
    of the query, F_cro = || (W^T f^T) * (W^M F^M) ||; convolutions shared by the scales turn it into a score in (0, 1).
    In training half of the K cells per scale are the best ones and half are drawn by softmax(score / 0.1) from the
    rest, because only chosen cells are ever judged. Masks and spans have no gradient: the scores learn from labels.

    Args:
        dim: D.
        hidden_dim: E, channels of the maps.
        scales: N_j, rows of each map.
        num_proposals: K, per scale. A map with fewer cells repeats them.
        num_clips: T', the length of a mask.
        kernel_size: Of the convolutions, odd.
        num_layers: Convolutions before the score.
        nms: A cell that overlaps more than this IoU with a better one is not among the best.
        word_layers: Of the LSTM that reads the query.
    """
    gives = ('scores', 'probabilities')  # the scores are probabilities, with a gradient

    def __init__(self, dim: int, hidden_dim: int = 256, scales: Sequence[int] = (16, 32, 64), num_proposals: int = 8,
                 num_clips: int = 64, kernel_size: int = 3, num_layers: int = 4, nms: float = 0.5,
                 word_layers: int = 1) -> None:
        try:
            from mmcv.cnn import ConvModule
        except ImportError as error:  # it is no requirement: mmcv-lite would be installed over a full mmcv
            raise ImportError('TemporalMapProposalGenerator needs mmcv: `pip install mmcv-lite`, or a full mmcv 2. '
                              f'({error})') from error
        super().__init__()
        self.clip_projection = nn.Linear(dim, hidden_dim)
        self.words = nn.LSTM(dim, hidden_dim, word_layers, batch_first=True)
        self.word_projection = nn.Linear(hidden_dim, hidden_dim)
        self.map_projection = nn.Linear(hidden_dim, hidden_dim, bias=False)
        self.layers = nn.ModuleList(
            ConvModule(hidden_dim, hidden_dim, kernel_size, padding=kernel_size // 2) for _ in range(num_layers))
        self.score = nn.Linear(hidden_dim, 1)
        self.scales = nn.ModuleList(MapScale(size, num_clips, kernel_size, num_layers) for size in scales)
        self.num_proposals = num_proposals
        self.nms = nms

    def forward(self, video: Tensor, query: EncodedQuery) -> Proposals:
        """video (B, T, D), encoded query -> K proposals per scale, scale by scale, with masks and scores."""
        clips, code = self.clip_projection(video).relu(), self._read(query)  # (B, T, E), (B, E)
        chosen = [self._choose(self._score(clips, code, scale), scale, noise)
                  for scale, noise in zip(self.scales, self._noise(query.words.seeds))]
        return Proposals(*(torch.cat(field, dim=1) for field in zip(*chosen)))  # (B, Ns*K, ...)

    def score_maps(self, video: Tensor, query: EncodedQuery) -> List[Tensor]:
        """The scores of all cells, one map (B, N, N) per scale: [x, y] is clips x to y; NaN where it is no proposal."""
        clips, code = self.clip_projection(video).relu(), self._read(query)
        maps = []
        for scale in self.scales:
            scores = self._score(clips, code, scale)
            empty = scores.new_full((scores.size(0), scale.size**2), torch.nan)
            maps.append(empty.index_copy(1, scale.places, scores).unflatten(1, (scale.size, -1)))
        return maps

    def _read(self, query: EncodedQuery) -> Tensor:
        """(B, E) code of the query: the state of the LSTM at its last word."""
        states = run_lstm(self.words, query.features[:, 1:])  # (B, L, E), without the start token
        last = query.words.mask.sum(dim=1)[:, None, None] - 1
        return self.word_projection(states.gather(1, last.expand(-1, 1, states.size(2))).squeeze(1))

    def _score(self, clips: Tensor, code: Tensor, scale: MapScale) -> Tensor:
        """(B, T, E) clips and (B, E) code -> scores (B, C) of the valid cells.

        Maps are large. Their channels stay last in memory, where the convolutions need no copies; layers work in place,
        so that one map of each is kept for the gradient; the fusion is cheap and computed again for it.
        """
        fused = checkpoint(self._fuse, clips, code, scale, use_reentrant=False, preserve_rng_state=False)
        cells = fused.new_zeros(fused.size(0), scale.size**2, fused.size(2)).index_copy(1, scale.places, fused)
        cells = cells.unflatten(1, (scale.size, scale.size)).permute(0, 3, 1, 2)  # (B, E, N, N)
        for layer, weight in zip(self.layers, scale.weights):
            cells = layer.activate(layer(cells, activate=False).mul_(weight))
        cells = cells.permute(0, 2, 3, 1).flatten(1, 2).index_select(1, scale.places)  # (B, C, E)
        logits = self.score(cells).squeeze(2)
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).sigmoid()  # too fine for bfloat16

    def _fuse(self, clips: Tensor, code: Tensor, scale: MapScale) -> Tensor:
        """(B, T, E) clips and (B, E) code -> F_cro of the valid cells (B, C, E)."""
        clips = F.adaptive_avg_pool1d(clips.transpose(1, 2), scale.size).transpose(1, 2)  # (B, N, E)
        moments = max_pool_moments(clips).index_select(1, scale.moments)
        weight = self.map_projection.weight.T * code.unsqueeze(1)  # the product with the code, folded into W^M
        return F.normalize(moments @ weight, dim=2)

    def _noise(self, seeds: Optional[Tensor]) -> Sequence[Optional[Tensor]]:
        """Gumbel noise (B, C) for the cells of each scale, or none without seeds."""
        if seeds is None:
            return [None] * len(self.scales)
        sizes = [len(scale.places) for scale in self.scales]
        return gumbel(pair_noise(seeds, sum(sizes), skip=_AFTER_WORDS)).split(sizes, dim=1)

    def _choose(self, scores: Tensor, scale: MapScale,
                noise: Optional[Tensor] = None) -> Tuple[Tensor, Tensor, Tensor]:
        """scores (B, C) -> spans, masks and scores of K cells, the best ones first; with noise half of them drawn."""
        with torch.no_grad():
            order = scores.argsort(dim=1, descending=True, stable=True)
            num_best = self.num_proposals if noise is None else (self.num_proposals + 1) // 2
            best = temporal_nms(scale.spans[order], self.nms, num_best)
            if noise is None:
                priority = -torch.arange(order.size(1), device=order.device, dtype=scores.dtype).expand_as(scores)
            else:
                priority = (scores / _TEMPERATURE + noise).gather(1, order)
            ranked = priority.masked_fill(best, torch.inf).argsort(dim=1, descending=True, stable=True)
            wanted = torch.arange(self.num_proposals, device=order.device) % order.size(1)
            chosen = order.gather(1, ranked[:, wanted])  # (B, K)
        return scale.spans[chosen], scale.masks[chosen], scores.gather(1, chosen)
