"""CNM (AAAI 2022): one Gaussian, two negatives, two optimizers in turn."""
from typing import Dict, NamedTuple, Tuple

import torch
from reference.network import Inputs, Weights, downsample, generate, linear, nll, project_words, reconstruct
from reference.optimization import Adam, clip_gradients
from torch import Tensor

HEAD = ('fc_mask_gen.weight', 'fc_mask_gen.bias')


class Result(NamedTuple):
    center: Tensor  # (B,)
    width: Tensor  # (B,)
    mask: Tensor  # (B, T')
    log_probs: Dict[str, Tensor]  # (B, N, V) from the positive, the hard and the easy negative
    nll: Dict[str, Tensor]  # (B,)


def gaussian(center: Tensor, width: Tensor, num_clips: int, alpha: float) -> Tensor:
    """exp(-alpha (t - c)^2 / max(w, 0.1)^2) on t from 0 to 1."""
    time = torch.linspace(0, 1, num_clips).to(center.dtype)
    return torch.exp(-alpha * (time[None] - center[:, None])**2 / width.clamp(min=0.1)[:, None]**2)


def forward(weights: Weights, config: dict, inputs: Inputs) -> Result:
    """One forward pass; ``config`` is the section ``model.config`` of the authors' file."""
    settings = config['DualTransformer']
    video, words = linear(weights, 'frame_fc', inputs.frames), project_words(weights, inputs.words)
    valid = torch.ones(video.shape[:2], dtype=torch.bool)
    state = generate(weights, settings, video, valid, words, inputs.lengths)
    center, width = linear(weights, 'fc_mask_gen', state).sigmoid().unbind(dim=-1)
    width = width * config['max_width']
    clips = downsample(video)
    mask = gaussian(center, width, clips.size(1), config['alpha'])
    log_probs = {name: reconstruct(weights, settings, 'fc_rec', clips, words, inputs, gate)
                 for name, gate in (('positive', mask), ('hard', None), ('easy', 1 - mask))}
    scores = {name: nll(log_p, inputs.ids, inputs.lengths) for name, log_p in log_probs.items()}
    return Result(center, width, mask, log_probs, scores)


def reconstruction_loss(result: Result) -> Tensor:
    return result.nll['positive'].mean() + result.nll['hard'].mean()


def contrastive_loss(result: Result, loss: dict) -> Tensor:
    positive = result.nll['positive']
    hard = (positive - result.nll['hard'] + loss['beta_1']).clamp(min=0)
    easy = (positive - result.nll['easy'] + loss['beta_2']).clamp(min=0)
    return hard.mean() + easy.mean()


def moments(result: Result) -> Tensor:
    """(B, 2) in fractions of the video."""
    return torch.stack([(result.center - result.width / 2).clamp(min=0),
                        (result.center + result.width / 2).clamp(max=1)], dim=-1)


def train_step(weights: Weights, config: dict, loss: dict, first: Inputs, second: Inputs,
               optimizers: Tuple[Adam, Adam], max_norm: float = 10.0) -> Weights:
    """The first mini-batch: all but the mask head on the reconstruction loss, then, anew, the head on the contrastive.

    Gradients stay until their own group has its next turn, so the second clipping counts those of the first step.
    (From the second mini-batch on, the first clipping counts those that the head has kept; that is left out here.)

    Args:
        first, second: The same batch with the words that each of the two passes hides.
    """
    gradients = {}
    for number, inputs in enumerate((first, second)):
        names = [name for name in weights if (name in HEAD) == (number == 1)]
        leaves = {name: value.detach().requires_grad_(name in names) for name, value in weights.items()}
        result = forward(leaves, config, inputs)
        objective = contrastive_loss(result, loss) if number else reconstruction_loss(result)
        found = torch.autograd.grad(objective, [leaves[name] for name in names])
        gradients = clip_gradients(dict(gradients, **dict(zip(names, found))), max_norm)
        weights = dict(weights, **optimizers[number].step(weights, {name: gradients[name] for name in names}))
    return weights
