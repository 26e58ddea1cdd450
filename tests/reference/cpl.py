"""CPL (CVPR 2022): P Gaussians read from a token, negatives on both sides that get harder, diversity, votes."""
from typing import Dict, NamedTuple

import torch
from reference.network import Inputs, Weights, downsample, generate, linear, nll, project_words, reconstruct
from reference.optimization import Adam, clip_gradients
from torch import Tensor


class Result(NamedTuple):
    center: Tensor  # (B, P)
    width: Tensor  # (B, P)
    masks: Dict[str, Tensor]  # (B, P, T'): positive, left, right
    log_probs: Dict[str, Tensor]  # (B, P, N, V): positive, left, right; (B, 1, N, V): reference
    nll: Dict[str, Tensor]  # (B, P) and (B, 1)


def gaussian(center: Tensor, std: Tensor, num_clips: int) -> Tensor:
    """exp(-(t - c)^2 / (2 s^2)), divided by its largest value on t from 0 to 1: (..., T')."""
    time = torch.linspace(0, 1, num_clips).to(center.dtype)
    curve = torch.exp(-(time - center[..., None])**2 / (2 * std[..., None]**2))
    return curve / curve.max(dim=-1, keepdim=True).values


def side_masks(center: Tensor, width: Tensor, num_clips: int, config: dict, progress: float) -> Dict[str, Tensor]:
    """Negatives to the left and right of each proposal; ``progress`` = epoch / epochs, 0 in evaluation."""
    rho = 0.5 * min(progress, 1.0)**config['gamma']
    masks = {}
    for name, gap in (('left', center - width / 2), ('right', 1 - (center + width / 2))):
        offset = rho * gap.clamp(min=0)
        std = offset.clamp(min=0.01) / (config['sigma'] / 2)
        masks[name] = gaussian(offset if name == 'left' else 1 - offset, std, num_clips)
    return masks


def forward(weights: Weights, config: dict, inputs: Inputs, progress: float = 0.0) -> Result:
    """One forward pass; ``config`` is the section ``model.config`` of the authors' file."""
    settings, num_pairs = config['DualTransformer'], inputs.frames.size(0)
    token = weights['pred_vec'].expand(num_pairs, 1, -1)
    video = linear(weights, 'frame_fc', torch.cat([inputs.frames, token], dim=1))
    words = project_words(weights, inputs.words)
    valid = torch.ones(video.shape[:2], dtype=torch.bool)
    valid[:, -1] = False  # nobody attends to the token, nor does it attend to itself
    state = generate(weights, settings, video, valid, words, inputs.lengths)
    numbers = linear(weights, 'fc_gauss', state).sigmoid().view(num_pairs, config['num_props'], 2)
    center, width = numbers[..., 0], numbers[..., 1]
    clips = downsample(video[:, :-1])
    masks = dict(positive=gaussian(center, width.clamp(min=0.01) / config['sigma'], clips.size(1)),
                 **side_masks(center, width, clips.size(1), config, progress))
    log_probs = {name: torch.stack([reconstruct(weights, settings, 'fc_comp', clips, words, inputs, gate)
                                    for gate in gates.unbind(dim=1)], dim=1) for name, gates in masks.items()}
    log_probs['reference'] = reconstruct(weights, settings, 'fc_comp', clips, words, inputs)[:, None]
    scores = {name: torch.stack([nll(one, inputs.ids, inputs.lengths) for one in log_p.unbind(dim=1)], dim=1)
              for name, log_p in log_probs.items()}
    return Result(center, width, masks, log_probs, scores)


def best(result: Result) -> Dict[str, Tensor]:
    """NLL (B,) of the proposal with the lowest one, of the negatives of that proposal, and of the reference."""
    chosen = result.nll['positive'].argmin(dim=1, keepdim=True)
    picked = {name: result.nll[name].gather(1, chosen)[:, 0] for name in ('positive', 'left', 'right')}
    return dict(picked, reference=result.nll['reference'][:, 0])


def losses(result: Result, loss: dict) -> Dict[str, Tensor]:
    """The three terms, weighted as in the objective; ``loss`` is the section of that name of the authors' file."""
    score = best(result)
    hinges = [(score['positive'] - score[name] + loss[margin]).clamp(min=0).mean()
              for name, margin in (('reference', 'margin_1'), ('left', 'margin_2'), ('right', 'margin_2'))]
    masks = result.masks['positive']
    shares = masks / masks.sum(dim=-1, keepdim=True)
    target = loss['lambda'] * torch.eye(masks.size(1), dtype=masks.dtype)
    diversity = torch.linalg.matrix_norm(target - shares @ shares.transpose(1, 2))**2
    return dict(reconstruction=(score['positive'].mean() + score['reference'].mean()) / 2,
                ranking=loss['alpha_1'] * sum(hinges), diversity=loss['alpha_2'] * diversity.mean())


def moments(result: Result) -> Tensor:
    """(B, P, 2) in fractions of the video."""
    return torch.stack([(result.center - result.width / 2).clamp(min=0),
                        (result.center + result.width / 2).clamp(max=1)], dim=-1)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """With the authors' 1e-10 in numerator and denominator; spans that are apart get 0."""
    overlap = torch.minimum(first[..., 1], second[..., 1]) - torch.maximum(first[..., 0], second[..., 0])
    hull = torch.maximum(first[..., 1], second[..., 1]) - torch.minimum(first[..., 0], second[..., 0])
    return ((overlap + 1e-10) / (hull + 1e-10)).clamp(min=0)


def vote(spans: Tensor, weighted: bool) -> int:
    """Index of the elected one of P spans (P, 2), sorted by NLL; ``weighted`` as on Charades-STA."""
    votes = []
    for candidate in spans:
        weights = [iou(spans[0], voter) if weighted else torch.ones(()) for voter in spans]
        votes.append(sum(iou(candidate, voter) * weight for voter, weight in zip(spans, weights)))
    return int(torch.stack(votes).argmax())


def train_step(weights: Weights, config: dict, loss: dict, inputs: Inputs, progress: float, optimizer: Adam,
               max_norm: float = 10.0) -> Weights:
    """One mini-batch."""
    leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
    objective = sum(losses(forward(leaves, config, inputs, progress), loss).values())
    gradients = dict(zip(leaves, torch.autograd.grad(objective, list(leaves.values()))))
    return dict(weights, **optimizer.step(weights, clip_gradients(gradients, max_norm)))
