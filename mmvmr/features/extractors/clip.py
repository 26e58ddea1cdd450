"""Models of pictures and text: what is to be seen, in the words that people use for pictures."""
from functools import cached_property
from pathlib import Path
from typing import Dict, Optional, Sequence

import numpy as np
import torch

from mmvmr.features.extractors.frame_embedder import FrameEmbedder
from mmvmr.registry import EXTRACTORS
from mmvmr.utils.devices import device_of_network
from mmvmr.utils.transformers_folder import load_image_processor, load_network, sha256_of_text_side, sha256_of_weights

_TYPES = ('float32', 'bfloat16', 'float16')


@EXTRACTORS.register_module()
class ClipExtractor(FrameEmbedder):
    """Embeds frames with a model of pictures and text, such as CLIP, and averages them over each clip.

    Any that ``AutoModel`` of transformers loads and that has ``get_image_features`` and ``get_text_features``: CLIP
    (Radford et al., 2021), SigLIP, SigLIP 2, and others. Its text side is told in the manifest of the features.

    Args:
        weights: Folder with ``config.json``, ``preprocessor_config.json``, tokenizer and ``*.safetensors``, as
            ``save_pretrained`` writes them. Nothing is downloaded, nothing is unpickled, and no code of it is run.
        clip_seconds: Length of a clip, above 0.
        fps: Frames per second that are looked at.
        batch_size: Frames that go through the network at once.
        dtype: In which the network computes: 'float32', or, faster on a GPU, 'bfloat16' or 'float16'.
        device: Where it runs; a GPU if there is one by default.

    Raises:
        FileNotFoundError: If there are no such weights.
        ValueError: If they are damaged, or of no model of pictures and text.
        ImportError: If ``transformers`` is not installed.
    """
    name = 'clip-1'

    def __init__(self, weights: str, clip_seconds: float = 1.0, fps: float = 2.0, batch_size: int = 32,
                 dtype: str = 'float32', device: Optional[str] = None) -> None:
        super().__init__(clip_seconds, fps, batch_size)
        if dtype not in _TYPES:
            raise ValueError(f'dtype must be one of {", ".join(_TYPES)}, got {dtype!r}.')
        self.weights = Path(weights)
        self.device = device_of_network(device)
        self.network = load_network(weights, dtype)
        for ask in ('get_image_features', 'get_text_features'):
            if not hasattr(self.network, ask):
                raise ValueError(f'"{weights}" holds a {type(self.network).__name__}, which is no model of pictures '
                                 f'and text: it has no {ask}. Give the folder of a CLIP, a SigLIP or the like.')
        if isinstance(getattr(self.network, 'text_model', None), torch.nn.Module):
            self.network.text_model = None
        self.prepare = load_image_processor(weights)
        self.network.to(self.device)

    @cached_property
    def weights_sha256(self) -> str:
        """Of the ``*.safetensors``, one after the other."""
        return sha256_of_weights(self.weights)

    @property
    def text(self) -> Dict:
        """Config of the text encoder whose sentence vectors lie in the space of the frames."""
        return dict(type='TransformersText', weights=str(self.weights), gives='sentence',
                    sha256=sha256_of_text_side(self.weights))

    @torch.inference_mode()
    def embed_frames(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        inputs = self.prepare(images=list(frames), return_tensors='pt').to(self.device)
        inputs['pixel_values'] = inputs['pixel_values'].to(self.network.dtype)
        out = self.network.get_image_features(**inputs)
        return (out if isinstance(out, torch.Tensor) else out.pooler_output).float().cpu().numpy()
