"""A tiny CLIP that knows Moving Shapes: a stand-in for published weights, made in some minutes without a download.

It is trained on single pictures of the renderer, of other seeds than the benchmark, with the sentences about them. It
sees no video of the benchmark, no span and no timestamp. What it knows are colours and shapes; of movements a picture
tells little.
"""
from pathlib import Path
from typing import Any, List, NamedTuple, Tuple, Union

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmvmr.datasets.moving_shapes import ACTIONS, COLORS, SHAPES, Event, Script, describe
from mmvmr.datasets.moving_shapes_renderer import FPS, render
from mmvmr.utils.files import folder_written_aside
from mmvmr.utils.progress import progress
from mmvmr.utils.transformers_folder import import_transformers

FILES = ['config.json', 'model.safetensors', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json',
         'processor_config.json']
_SEED = 10**6  # of the renderer, added to that of the training; the benchmark has small ones
_SECONDS = 3.0  # that an action takes
_EMPTY = ['an empty scene', 'nothing is to be seen', 'only grey shapes']
_TOWER = dict(hidden_size=64, intermediate_size=128, num_attention_heads=4, projection_dim=32)
_PICTURE, _BATCH = 48, 64


class Pictures(NamedTuple):
    """N pictures, what is to be seen in them, and a sentence about each."""
    frames: List[np.ndarray]  # (96, 96, 3) uint8, RGB
    looks: np.ndarray  # (N,) equal where colour and shape are; -1 where there is nothing
    sentences: List[str]


def make_toy_clip(folder: Union[str, Path], num_pictures: int = 8000, num_steps: int = 2000, seed: int = 0) -> None:
    """Train the model, and write it in the format of transformers; what an earlier call has written is replaced.

    Args:
        num_pictures: That it is trained on.
        num_steps: Of the training.
        seed: Of pictures and weights.

    Raises:
        FileExistsError: If the folder holds anything else.
        ImportError: If ``transformers`` is not installed.
    """
    import_transformers('the toy CLIP')
    with folder_written_aside(folder, FILES) as partial:
        pictures = draw_pictures(num_pictures, seed)
        network, tokenizer, prepare = _untrained(pictures.sentences, seed)
        _train(network, _pixels(prepare, pictures.frames), _tokens(tokenizer, pictures.sentences), pictures.looks,
               num_steps, seed)
        for part in (network, tokenizer, prepare):
            part.save_pretrained(partial)


def draw_pictures(count: int, seed: int = 0) -> Pictures:
    """Each of another scene, at any time of an event; one in five is empty."""
    rng, drawn = np.random.default_rng([_SEED, seed]), []
    for number in progress(range(count), 'Drawing pictures'):
        color, shape, action = (int(rng.integers(len(options))) for options in (COLORS, SHAPES, ACTIONS))
        name, began = f'train_{number:06d}', -float(rng.uniform(0, _SECONDS))
        event = Event(list(COLORS)[color], SHAPES[shape], list(ACTIONS)[action], began, began + _SECONDS)
        script, look = Script(name, 1 / FPS, [event]), color * len(SHAPES) + shape
        text = describe(script, _SEED + seed)[0][3]
        if rng.random() < 0.2:
            script, look, text = Script(name, 1 / FPS, []), -1, str(rng.choice(_EMPTY))
        frame = next(render(script, _SEED + seed))
        drawn.append((frame[..., ::-1], look, text))
    frames, looks, sentences = zip(*drawn)
    return Pictures(list(frames), np.array(looks), list(sentences))


def _untrained(sentences: List[str], seed: int) -> Tuple[Any, Any, Any]:
    """Network, tokenizer and image processor."""
    import transformers
    signs, merges = _byte_signs(), _merges(sentences)
    names = dict.fromkeys([*signs, *(f'{sign}</w>' for sign in signs), *(first + last for first, last in merges),
                           '<|startoftext|>', '<|endoftext|>'])
    tokenizer = transformers.CLIPTokenizer(vocab={name: number for number, name in enumerate(names)}, merges=merges,
                                           model_max_length=32)
    torch.manual_seed(seed)
    network = transformers.CLIPModel(transformers.CLIPConfig(
        text_config=dict(_TOWER, num_hidden_layers=2, vocab_size=len(tokenizer), max_position_embeddings=32,
                         bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
                         pad_token_id=tokenizer.eos_token_id),
        vision_config=dict(_TOWER, num_hidden_layers=2, image_size=_PICTURE, patch_size=8),
        projection_dim=_TOWER['projection_dim']))
    prepare = transformers.CLIPImageProcessorPil(size=dict(shortest_edge=_PICTURE),
                                                 crop_size=dict(height=_PICTURE, width=_PICTURE))
    return network, tokenizer, prepare


def _merges(sentences: List[str]) -> List[Tuple[str, str]]:
    """What a tokenizer of CLIP joins to words: each word of the sentences from its beginning on."""
    found = {}
    for word in sorted({word.strip('.,') for sentence in sentences for word in sentence.lower().split()}):
        signs = [*word[:-1], f'{word[-1]}</w>']
        found.update(((''.join(signs[:place]), signs[place]), None) for place in range(1, len(signs)))
    return list(found)


def _byte_signs() -> List[str]:
    """The signs that stand for the 256 bytes in a tokenizer of CLIP."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(256 - len(plain))]


def _pixels(prepare: Any, frames: List[np.ndarray]) -> Tensor:
    return torch.cat([prepare(images=frames[first:first + 256], return_tensors='pt')['pixel_values']
                      for first in range(0, len(frames), 256)])


def _tokens(tokenizer: Any, sentences: List[str]) -> Tensor:
    return tokenizer(sentences, padding=True, truncation=True, return_tensors='pt')['input_ids']


def _train(network: Any, pixels: Tensor, tokens: Tensor, looks: np.ndarray, num_steps: int, seed: int) -> None:
    """Contrast of pictures and sentences, as CLIP's; all pairs of one look belong together.

    Every other batch has two colours only, or else colours would be all that is learned.
    """
    rng, colors = np.random.default_rng([seed, 1]), looks // len(SHAPES)
    looks = torch.from_numpy(looks)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=num_steps, pct_start=0.1)
    network.train()
    for step in progress(range(num_steps), 'Training the toy CLIP'):
        few = rng.choice(len(COLORS), 2 if step % 2 else len(COLORS), replace=False)
        chosen = np.isin(colors, [-1, *few]).nonzero()[0]
        rows = torch.from_numpy(rng.choice(chosen, min(_BATCH, len(chosen)), replace=False))
        shift = rng.integers(-8, 9, 2).tolist()
        out = network(input_ids=tokens[rows], pixel_values=pixels[rows].roll(shift, dims=(2, 3)))
        same = (looks[rows, None] == looks[None, rows]).float()
        targets = same / same.sum(dim=1, keepdim=True)
        loss = F.cross_entropy(out.logits_per_image, targets) + F.cross_entropy(out.logits_per_text, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
