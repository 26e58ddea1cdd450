"""Groups of proposals: sizes (1, 2, 3) put the first proposal into one group, the next two into another, and so on."""
from typing import Sequence

import torch
from torch import Tensor


def group_members(groups: Sequence[int]) -> Tensor:
    """Who belongs to whom: (G, K) bool, True where proposal k is in group g.

    Args:
        groups: Sizes of the G groups; each takes the next proposals in turn, K in all.

    Example:
        >>> group_members([1, 2])
        tensor([[ True, False, False],
                [False,  True,  True]])
    """
    if len(groups) == 0 or min(groups) < 1:
        raise ValueError(f'groups must be the sizes of groups, all of them 1 or more, got {tuple(groups)}.')
    index = torch.arange(len(groups))
    return index.unsqueeze(1) == index.repeat_interleave(torch.tensor(groups))


def check_groups(members: Tensor, num_proposals: int) -> None:
    """Refuse proposals that the groups (G, K) of :func:`group_members` do not fit."""
    if members.size(1) != num_proposals:
        raise ValueError(f'groups {tuple(members.sum(dim=1).tolist())} hold {members.size(1)} proposals, but there are '
                         f'{num_proposals}. Give all parts the same `groups`, which add up to `num_proposals`.')
