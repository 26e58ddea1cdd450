"""CLIP image towers: what is to be seen, in the words that people use for pictures."""
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Iterable, Iterator, Optional

import numpy as np
import torch

from mmvmr.features.extract import by_clip, check_positive
from mmvmr.registry import EXTRACTORS
from mmvmr.utils.files import sha256_of_files


@EXTRACTORS.register_module()
class ClipExtractor:
    """Embeds frames with the image tower of CLIP (Radford et al., 2021) and averages them over each clip.

    Args:
        weights: Folder with ``config.json``, ``preprocessor_config.json`` and ``*.safetensors``, as
            ``CLIPModel.save_pretrained`` writes them. Nothing is downloaded and nothing is unpickled.
        clip_seconds: Length of a clip, above 0.
        fps: Frames per second that are looked at.
        batch_size: Frames that go through the network at once.
        device: Where it runs; a GPU if there is one by default.

    Raises:
        FileNotFoundError: If there are no such weights.
        ValueError: If they are damaged, or no CLIP.
        ImportError: If ``transformers`` is not installed.
    """
    name = 'clip-1'

    def __init__(self, weights: str, clip_seconds: float = 1.0, fps: float = 2.0, batch_size: int = 32,
                 device: Optional[str] = None) -> None:
        check_positive(clip_seconds=clip_seconds, fps=fps)
        self.weights = Path(weights)
        self.clip_seconds, self.fps, self.batch_size = clip_seconds, fps, batch_size
        self.device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.network, self.prepare = _load(self.weights)
        self.network.eval().to(self.device)
        self.dim: int = self.network.config.projection_dim

    @cached_property
    def weights_sha256(self) -> str:
        """Of the ``*.safetensors``, one after the other."""
        return sha256_of_files(*sorted(self.weights.glob('*.safetensors')))

    def __call__(self, frames: Iterable[np.ndarray], fps: float) -> np.ndarray:
        """(H, W, 3) uint8 BGR frames, ``fps`` per second -> (N, dim) float32, one row per clip."""
        clips = by_clip(self._embed(frames), fps, self.clip_seconds)
        return np.stack([np.mean(clip, axis=0) for clip in clips])

    @torch.inference_mode()
    def _embed(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        frames = (frame[..., ::-1] for frame in frames)  # CLIP sees RGB
        while batch := list(islice(frames, self.batch_size)):
            pixels = self.prepare(images=batch, return_tensors='pt')['pixel_values']
            yield from self.network(pixels.to(self.device)).image_embeds.float().cpu().numpy()


def _load(folder: Path):
    """The image tower with its projection, and what cuts and scales pictures for it."""
    if not any(folder.glob('*.safetensors')):
        raise FileNotFoundError(
            f'"{folder}" is no folder with .safetensors. Fetch a CLIP in the format of transformers, such as '
            'openai/clip-vit-base-patch32, and give its folder as weights=... Pickled weights (.bin, .pt) may run '
            'code and are not read: CLIPModel.from_pretrained(OLD).save_pretrained(NEW) converts them.')
    try:
        from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection, logging
    except ImportError as error:
        raise ImportError(f'ClipExtractor needs the package transformers ({error}): pip install -c '
                          'requirements/constraints.txt -r requirements/optional.txt') from error
    logging.set_verbosity_error()  # it would list the weights of the text tower, which is not needed
    logging.disable_progress_bar()
    try:
        network, report = CLIPVisionModelWithProjection.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True)
        prepare = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of many kinds, by what is damaged
        raise ValueError(f'The CLIP in "{folder}" cannot be loaded: fetch it again. {type(error).__name__}: {error}'
                         ) from error
    if report['missing_keys']:
        raise ValueError(f'"{folder}" holds no CLIP image tower: {sorted(report["missing_keys"])[0]} and others are '
                         'missing. Give the folder of a CLIP that transformers saved.')
    return network, prepare
