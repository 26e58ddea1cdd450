"""A proposal generator from outside: windows of equal length, whatever the query."""
import torch
from torch import nn

from mmvmr.registry import PROPOSAL_GENERATORS
from mmvmr.structures import Proposals


@PROPOSAL_GENERATORS.register_module()
class EvenWindows(nn.Module):
    """K windows of equal length, one after the other."""

    def __init__(self, num_proposals: int = 4, num_clips: int = 10) -> None:
        super().__init__()
        borders, time = torch.linspace(0, 1, num_proposals + 1), torch.linspace(0, 1, num_clips)
        inside = (time >= borders[:-1, None]) & (time <= borders[1:, None])
        self.register_buffer('spans', torch.stack([borders[:-1], borders[1:]], dim=1))  # (K, 2)
        self.register_buffer('masks', inside.float())  # (K, T')

    def forward(self, video, query) -> Proposals:
        return Proposals(self.spans.expand(len(video), -1, -1), self.masks.expand(len(video), -1, -1))
