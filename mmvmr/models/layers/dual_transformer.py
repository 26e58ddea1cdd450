"""Two transformer stacks, over clips and over words, each of which can look at the other."""
from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvmr.functional.masks import groups_by_reach
from mmvmr.models.layers.attention import Attention, Draws, Projected, ResidualDropout, mask_bias
from mmvmr.registry import MODELS


class TransformerLayer(nn.Module):
    """Post-norm layer: self-attention, attention to a memory where there is one, feed-forward network.

    All inputs have a mask axis M, see :class:`~mmvmr.models.layers.attention.Attention`.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float, has_memory: bool = True) -> None:
        super().__init__()
        self.self_attention = Attention(dim, num_heads)
        self.self_norm = nn.LayerNorm(dim)
        if has_memory:
            self.memory_attention = Attention(dim, num_heads)
            self.memory_norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, 2 * dim)
        self.contract = nn.Linear(2 * dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = ResidualDropout(dropout)

    def forward(self, x: Tensor, keys: Optional[Tensor] = None, bias: Optional[Tensor] = None, causal: bool = True,
                memory: Optional[Tensor] = None, memory_bias: Optional[Tensor] = None,
                draws: Optional[Draws] = None, before: Optional[Projected] = None,
                memory_before: Optional[Projected] = None) -> Tensor:
        """
        Args:
            x: (B, M, N, D).
            keys: (B, M, Nk, D) what x attends to in self-attention; x itself by default.
            bias: (B, M, 1, 1, Nk), see :func:`~mmvmr.models.layers.attention.mask_bias`.
            causal: Position i attends to the keys up to i.
            memory: (B, M, Nm, D); skipped where absent.
            memory_bias: (B, M, 1, 1, Nm).
            draws: Where dropout keeps what it draws, or takes it from.
            before, memory_before: What stands before x and the memory, as the two attentions project it.
        """
        x = self.self_norm(self.dropout(x, self.self_attention(x, keys, bias, causal, before), draws))
        if memory is not None:
            looked = self.memory_attention(x, memory, memory_bias, before=memory_before)
            x = self.memory_norm(self.dropout(x, looked, draws))
        return self.norm(self.dropout(x, self.contract(F.relu(self.expand(x))), draws))


@MODELS.register_module()
class DualTransformer(nn.Module):
    """The backbone of CNM and CPL: :meth:`locate` reads the video for a query, :meth:`reconstruct` the other way.

    Self-attention is causal in both stacks; for the video this is the only source of temporal order.

    Args:
        dim: D.
        num_layers: Layers per stack.
        roles: 'locate', 'reconstruct' or both. With one alone (PPS shares no transformer), the parameters that the
            other needs are left out: only the stack that looks at the other has the attention to do so.
    """

    def __init__(self, dim: int = 256, num_heads: int = 4, num_layers: int = 3, dropout: float = 0.1,
                 roles: Sequence[str] = ('locate', 'reconstruct')) -> None:
        super().__init__()
        self.roles = tuple(roles)
        self.video_layers, self.word_layers = (
            nn.ModuleList(TransformerLayer(dim, num_heads, dropout, looks) for _ in range(num_layers))
            for looks in ('locate' in roles, 'reconstruct' in roles))

    def locate(self, video: Tensor, words: Tensor, word_mask: Tensor, readout: Optional[Tensor] = None) -> Tensor:
        """State, after the last layer, of the position that has seen the whole video and the whole query.

        Only that one position is computed in the last layer.

        Args:
            video: (B, T, D).
            words: (B, N, D), with position code.
            word_mask: (B, N) bool, True on words.
            readout: (B, 1, D) token read after the last clip (CPL); without it the last clip itself is read (CNM).

        Returns:
            (B, D).
        """
        self._check_role('locate')
        words = words.unsqueeze(1)  # (B, 1, N, D)
        for layer in self.word_layers:
            words = layer(words)
        query = dict(memory=words, memory_bias=word_mask[:, None, None, None])
        num_clips = video.size(1)
        clips = (video if readout is None else torch.cat([video, readout], dim=1)).unsqueeze(1)  # (B, 1, T or T+1, D)
        for layer in self.video_layers[:-1]:
            keys = None if readout is None else clips[:, :, :num_clips]  # the readout token is never a key
            clips = layer(clips, keys=keys, **query)
        return self.video_layers[-1](clips[:, :, -1:], keys=clips[:, :, :num_clips], causal=False, **query)[:, 0, 0]

    def reconstruct(self, video: Tensor, words: Tensor, masks: Tensor, draws: Optional[Draws] = None) -> Tensor:
        """States of the words after they have looked at the video through each mask.

        Args:
            video: (B, T', D).
            words: (B, N, D), some of them hidden, with position code.
            masks: (B, M, T') in [0, 1]; or (M, T') that all pairs have in common, which costs less in prediction on
                CPUs.
            draws: Where dropout keeps what it draws, or takes it from.

        Returns:
            (B, M, N, D).
        """
        self._check_role('reconstruct')
        if masks.dim() == 2:
            if video.device.type == 'cpu' and not (self.training or torch.compiler.is_compiling()):
                return self._reconstruct_common(video, words, masks)
            masks = masks.expand(video.size(0), -1, -1)
        bias = mask_bias(masks)
        clips, words = video.unsqueeze(1), words.unsqueeze(1)
        for layer in self.video_layers:
            clips = layer(clips, bias=bias, draws=draws)  # (B, M, T', D) from the first layer on
        for layer in self.word_layers:
            words = layer(words, memory=clips, memory_bias=bias, draws=draws)
        return words

    def _reconstruct_common(self, video: Tensor, words: Tensor, masks: Tensor) -> Tensor:
        """The same to rounding, without the clips that a mask hides, and with those before the first that it weakens
        computed once for all masks: as no clip looks ahead, they are as in the whole video."""
        clips, words, whole = video.unsqueeze(1), words.unsqueeze(1), []
        for layer in self.video_layers:
            whole.append(layer.self_attention.project(clips))
            clips = layer(clips)
        memory = [layer.memory_attention.project(clips) for layer in self.word_layers]
        order, states = [], []
        for group, rows, before in groups_by_reach(masks):
            own = masks[group].gather(1, rows.expand(len(group), -1))
            bias = mask_bias(torch.cat([masks[group, :before], own], dim=1).expand(video.size(0), -1, -1))
            clips, told = video[:, rows], words
            for layer, (k, v) in zip(self.video_layers, whole):
                clips = layer(clips, bias=bias, before=(k[:, :, :before], v[:, :, :before]))
            for layer, (k, v) in zip(self.word_layers, memory):
                told = layer(told, memory=clips, memory_bias=bias, memory_before=(k[:, :, :before], v[:, :, :before]))
            order += group
            states.append(told)
        return torch.cat(states, dim=1)[:, torch.tensor(order).argsort()]

    def _check_role(self, role: str) -> None:
        if role not in self.roles:
            raise ValueError(f'This DualTransformer is asked to {role}, but was built for the roles {self.roles}. '
                             f'Add {role!r} to its `roles` in the config.')
