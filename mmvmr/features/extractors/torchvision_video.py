"""The video networks of torchvision, such as r3d_18, s3d, mvit_v2_s and swin3d_t."""
from functools import cached_property
from pathlib import Path
from typing import Iterable, Optional

import numpy as np
import torch

from mmvmr.features.extract import by_clip, check_positive
from mmvmr.registry import EXTRACTORS
from mmvmr.utils.devices import device_of_network
from mmvmr.utils.files import refuse_lfs_pointers, sha256_of_files


@EXTRACTORS.register_module()
class TorchvisionVideoExtractor:
    """Describes each clip by what a video network of torchvision computes before its classes.

    Args:
        model: Name in ``torchvision.models.video``.
        weights: Its state dict, a ``.pth`` file as torchvision publishes them. It is loaded without running code.
        clip_seconds: Length of a clip, above 0.
        num_frames: Frames of a clip that the network sees, evenly spaced.
        device: Where it runs; a GPU if there is one by default.

    Raises:
        FileNotFoundError: If there are no such weights.
        ValueError: If they are damaged, or of another network; if there is no such network.
        ImportError: If ``torchvision`` is not installed, or does not fit torch.
    """
    name = 'torchvision-1'

    def __init__(self, model: str, weights: str, clip_seconds: float = 1.0, num_frames: int = 16,
                 device: Optional[str] = None) -> None:
        check_positive(clip_seconds=clip_seconds, num_frames=num_frames)
        self.weights = Path(weights)
        self.clip_seconds, self.num_frames, self.fps = clip_seconds, num_frames, num_frames / clip_seconds
        self.device = device_of_network(device)
        self.network, self.prepare = _load(model, self.weights)
        self.network.eval().to(self.device)
        self.dim: int = self._describe([np.zeros((8, 8, 3), np.uint8)]).shape[0]

    @cached_property
    def weights_sha256(self) -> str:
        return sha256_of_files(self.weights)

    def __call__(self, frames: Iterable[np.ndarray], fps: float) -> np.ndarray:
        """(H, W, 3) uint8 BGR frames, ``fps`` per second -> (N, dim) float32, one row per clip."""
        return np.stack([self._describe(clip) for clip in by_clip(frames, fps, self.clip_seconds)])

    @torch.inference_mode()
    def _describe(self, clip: list) -> np.ndarray:
        """The frames of one clip -> (dim,)"""
        chosen = np.linspace(0, len(clip) - 1, self.num_frames).round().astype(int)
        frames = np.stack([clip[place][..., ::-1] for place in chosen])  # RGB
        video = self.prepare(torch.from_numpy(frames).permute(0, 3, 1, 2))  # (F, 3, H, W) -> (3, F, H', W')
        return self.network(video[None].to(self.device))[0].float().cpu().numpy()


def _load(model: str, weights: Path):
    """The network without its classes, and what cuts, scales and normalises pictures for it."""
    try:
        from torchvision.models import get_model, get_model_weights, list_models, video
    except Exception as error:  # RuntimeError where it does not fit torch
        raise ImportError(f'TorchvisionVideoExtractor needs torchvision built for this torch {torch.__version__} '
                          f'({type(error).__name__}: {error}). See https://pytorch.org for the pair.') from error
    known = list_models(module=video)
    if model not in known:
        raise ValueError(f'torchvision has no video network {model!r}, but {", ".join(known)}.')
    if not weights.is_file():
        raise FileNotFoundError(f'There are no weights "{weights}". torchvision publishes those of {model} at '
                                f'{get_model_weights(model).DEFAULT.url}')
    refuse_lfs_pointers(weights)
    network = get_model(model, weights=None)
    try:
        network.load_state_dict(torch.load(weights, map_location='cpu', weights_only=True))
    except Exception as error:  # of many kinds, by what is damaged
        raise ValueError(f'"{weights}" cannot be loaded as the weights of {model}: {type(error).__name__}: {error}'
                         ) from error
    *_, (head, _) = network.named_children()  # torchvision's video networks end with their classes
    setattr(network, head, torch.nn.Identity())
    return network, get_model_weights(model).DEFAULT.transforms()
