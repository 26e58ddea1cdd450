"""The network that CNM and CPL share, written down from its equations over weights that carry the authors' names.

It is the yardstick of the parity tests: nothing in this folder uses mmvmr, every mask is a pass of its own, and the
attention is spelled out (softmax, times the mask, renormalised). Letters as in ``mmvmr/structures.py``.
"""
import math
from typing import Dict, NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Dict[str, Tensor]


class Inputs(NamedTuple):
    """A batch as the authors' loader makes it, and the words that are hidden in it."""
    frames: Tensor  # (B, T, Dv)
    words: Tensor  # (B, N+1, Dw); row 0 is a placeholder for the start token
    lengths: Tensor  # (B,) words n_b of each query, N the largest of them
    ids: Tensor  # (B, N) 1..V-1, 0 on padding
    hidden: Tensor  # (B, N) bool


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']


def layer_norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    centered = x - x.mean(dim=-1, keepdim=True)
    variance = centered.square().mean(dim=-1, keepdim=True)
    return centered / (variance + 1e-5).sqrt() * weights[f'{name}.weight'] + weights[f'{name}.bias']


def position_code(length: int, dim: int) -> Tensor:
    """(length, D): [sin(p f_i) | cos(p f_i)], f_i = exp(-i log(10000) / (D/2 - 1)); row 0 is zero."""
    frequencies = torch.exp(torch.arange(dim // 2).float() * -(math.log(10000) / (dim // 2 - 1)))
    angles = torch.arange(length).float()[:, None] * frequencies[None]
    code = torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
    code[0] = 0
    return code


def attend(weights: Weights, name: str, x: Tensor, memory: Tensor, num_heads: int, allowed: Tensor,
           gate: Optional[Tensor] = None) -> Tensor:
    """Multi-head attention whose rows are multiplied by a gate in [0, 1] and brought back to sum 1.

    Args:
        x: (B, Nq, D).
        memory: (B, Nk, D).
        allowed: (B or 1, Nq, Nk) bool.
        gate: (B, Nk).
    """
    dim = x.size(-1)
    q_weight, k_weight, v_weight = weights[f'{name}.in_proj_weight'].split(dim)
    q_bias, k_bias, v_bias = weights[f'{name}.in_proj_bias'].split(dim)
    queries, keys, values = x @ q_weight.T + q_bias, memory @ k_weight.T + k_bias, memory @ v_weight.T + v_bias
    heads = []
    for q, k, v in zip(*(tensor.chunk(num_heads, dim=-1) for tensor in (queries, keys, values))):
        scores = q @ k.transpose(1, 2) / math.sqrt(dim // num_heads)
        attention = scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1)
        if gate is not None:
            attention = attention * (gate[:, None] + 1e-10)
            attention = attention / attention.sum(dim=-1, keepdim=True)
        heads.append(attention @ v)
    return linear(weights, f'{name}.out_proj', torch.cat(heads, dim=-1))


def stack(weights: Weights, name: str, settings: dict, x: Tensor, x_valid: Tensor, gate: Optional[Tensor] = None,
          memory: Optional[Tensor] = None, memory_valid: Optional[Tensor] = None,
          memory_gate: Optional[Tensor] = None) -> Tensor:
    """Post-norm layers with causal self-attention; attention to a memory where there is one.

    Args:
        settings: The section ``DualTransformer`` of the authors' config.
        x: (B, N, D); ``x_valid`` (B, N) bool, the positions that may be attended to; ``gate`` (B, N).
        memory: (B, Nm, D), ``memory_valid`` (B, Nm) bool, ``memory_gate`` (B, Nm).
    """
    heads, length = settings['num_heads'], x.size(1)
    past = torch.arange(length)[:, None] >= torch.arange(length)[None]
    for number in range(settings['num_decoder_layers1' if name.endswith('1') else 'num_decoder_layers2']):
        layer = f'{name}.decoder_layers.{number}'
        seen = attend(weights, f'{layer}.self_attn', x, x, heads, past[None] & x_valid[:, None], gate)
        x = layer_norm(weights, f'{layer}.self_attn_layer_norm', x + seen)
        if memory is not None:
            allowed = memory_valid[:, None].expand(-1, length, -1)
            seen = attend(weights, f'{layer}.encoder_attn', x, memory, heads, allowed, memory_gate)
            x = layer_norm(weights, f'{layer}.encoder_attn_layer_norm', x + seen)
        inner = linear(weights, f'{layer}.fc2', linear(weights, f'{layer}.fc1', x).relu())
        x = layer_norm(weights, f'{layer}.final_layer_norm', x + inner)
    return x


def project_words(weights: Weights, words: Tensor) -> Tensor:
    """(B, N+1, Dw) with a placeholder -> (B, N+1, D) with the start token in its place; no position code."""
    start = weights['start_vec'].expand(words.size(0), 1, -1)
    return linear(weights, 'word_fc', torch.cat([start, words[:, 1:]], dim=1))


def add_positions(words: Tensor) -> Tensor:
    return words + position_code(words.size(1), words.size(2)).to(words.dtype)


def valid_words(lengths: Tensor, rows: int) -> Tensor:
    """(B, rows) bool: the start token and the n_b words, cut to ``rows``."""
    return torch.arange(rows)[None] < lengths[:, None] + 1


def generate(weights: Weights, settings: dict, video: Tensor, video_valid: Tensor, words: Tensor,
             lengths: Tensor) -> Tensor:
    """State (B, D) of the last position of the video, which reads the words through cross-attention."""
    valid = valid_words(lengths, words.size(1))
    query = stack(weights, 'trans.decoder2', settings, add_positions(words), valid)
    states = stack(weights, 'trans.decoder1', settings, video, video_valid, memory=query, memory_valid=valid)
    return states[:, -1]


def reconstruct(weights: Weights, settings: dict, classifier: str, video: Tensor, words: Tensor, inputs: Inputs,
                gate: Optional[Tensor] = None) -> Tensor:
    """Log-probabilities (B, N, V) of the words, given the clips (B, T', D) that a gate (B, T') lets through."""
    blank = linear(weights, 'word_fc', weights['mask_vec'])
    hidden = torch.cat([torch.zeros_like(inputs.hidden[:, :1]), inputs.hidden], dim=1)
    corrupted = torch.where(hidden[:, :, None], blank, words)
    corrupted = add_positions(corrupted)[:, :-1]
    all_clips = torch.ones(video.shape[:2], dtype=torch.bool)
    clips = stack(weights, 'trans.decoder1', settings, video, all_clips, gate)
    states = stack(weights, 'trans.decoder2', settings, corrupted, valid_words(inputs.lengths, corrupted.size(1)),
                   memory=clips, memory_valid=all_clips, memory_gate=gate)
    return F.log_softmax(linear(weights, classifier, states), dim=-1)


def nll(log_probs: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
    """(B,): label-smoothed cross-entropy, averaged over n_b + 1 positions cut to N."""
    words = -0.9 * log_probs.gather(-1, ids[..., None])[..., 0] - 0.1 * log_probs.mean(dim=-1)
    valid = valid_words(lengths, ids.size(1))
    return (words * valid).sum(dim=1) / valid.sum(dim=1)


def downsample(video: Tensor) -> Tensor:
    """(B, T, D) -> (B, T // 4, D): the clips at the integer parts of evenly spaced positions."""
    num_clips = video.size(1)
    return video[:, torch.linspace(0, num_clips - 1, num_clips // 4).long()]
