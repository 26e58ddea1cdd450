"""A trained model as a program of its own, which PyTorch runs without mmvmr (``torch.export``)."""
import json
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple, Union

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvmr.apis.inferencer import MomentRetrievalInferencer
from mmvmr.apis.onnx_program import read_onnx, write_onnx
from mmvmr.functional.words import hide_words
from mmvmr.structures import Batch, Query
from mmvmr.utils.files import folder_written_aside, write_text

PROGRAM, ONNX, INPUTS = 'program.pt2', 'program.onnx', 'program.json'
NAMES = ('video', 'word_features', 'word_mask', 'word_ids', 'word_weights', 'sentences')
OUTPUTS = 'spans', 'scores'
ANY_PAIRS = {0: torch.export.Dim('pairs', min=1)}


class Ranking(nn.Module):
    """What a program computes: the candidates of each pair, best first, as fractions of the video, and their scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, video: Tensor, word_features: Tensor, word_mask: Tensor, word_ids: Tensor, word_weights: Tensor,
                sentences: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """Spans (B, C, 2) and scores (B, C)."""
        hidden = hide_words(word_weights, word_mask, self.model.data_preprocessor.hide_one_in)
        query = Query(word_features, word_mask, word_ids, word_weights, hidden, None, sentences)
        ranked = self.model.rank(Batch(video, query))[1]
        return ranked.spans, ranked.scores


def export(run: Union[str, Path], target: Union[str, Path], checkpoint: Union[str, Path, None] = None,
           onnx: bool = False) -> float:
    """Write a folder with the program of a run, what its inputs are, and the recipe of its inputs.

    It answers any number of pairs at a time. Other sizes are fixed: T clips, and as many words as a query may have,
    shorter ones being padded.

    Args:
        run: Folder of a run.
        target: Folder to write; it must not be there, or be empty.
        checkpoint: Of the run, by default that of :func:`~mmvmr.engine.checkpoint.find_weights`.
        onnx: Write ``program.onnx`` as well, and compare it, too.

    Returns:
        The largest difference between program and model, over other random inputs than those it was made with.

    Raises:
        FileExistsError: If the target holds anything.
        ImportError: If packages of the extra ``onnx`` are missing.
        ValueError: If the model takes videos of any length, cannot be exported, or answers otherwise then; the message
            says why.
    """
    with folder_written_aside(target, ours=()) as partial:
        inferencer = MomentRetrievalInferencer(run, checkpoint, device='cpu', show_progress=False)
        if inferencer.recipe.num_clips is None:
            raise ValueError(f'"{run}" takes as many clips as a video has, and a program has fixed sizes. Export a run '
                             'that was trained with a number for num_clips.')
        inputs, ranking = random_inputs(inferencer, 2, seed=0), Ranking(inferencer.model).eval()
        try:
            with torch.no_grad():
                program = torch.export.export(ranking, tuple(inputs.values()), strict=False,
                                              dynamic_shapes=(ANY_PAIRS,) * len(inputs))
        except Exception as error:  # of PyTorch's compiler, of many kinds
            reason = (str(error).splitlines() or [''])[0]
            raise ValueError(f'The model of "{run}" cannot be exported ({type(error).__name__}: {reason}). If '
                             '`pairs` are said to be a constant, a part fixes their number, as `len(x)` of a tensor '
                             'does and `x.size(0)` does not. Else use it by `mmvmr infer`.') from error
        try:
            torch.export.save(program, partial / PROGRAM)
        except RuntimeError as error:  # of PyTorch's writer, where others raise OSError
            raise OSError(f'The program cannot be written to "{target}" ({str(error).splitlines()[0]}). Is the disk '
                          'full? Nothing was kept.') from error
        written = [torch.export.load(partial / PROGRAM).module()]
        if onnx:
            try:
                write_onnx(program, partial / ONNX, OUTPUTS)
                written.append(read_onnx(partial / ONNX))
            except Exception as error:  # of the packages of ONNX, of many kinds
                raise ValueError(f'The model of "{run}" cannot be written as ONNX ({type(error).__name__}: '
                                 f'{str(error).strip()[-200:]}). Leave `--onnx` out.') from error
        difference = torch.tensor([_difference(one, ranking, random_inputs(inferencer, pairs, seed=pairs))
                                   for one in written for pairs in (1, 2, 5)]).max().item()  # NaN, where there is one
        if not difference < 1e-3:
            raise ValueError(f'What was written of "{run}" differs by {difference:.1e} from the model on random '
                             'inputs, so it is not kept. Please report it, with the config. Use `mmvmr infer` instead.')
        inferencer.recipe.save(partial)
        outputs = dict(zip(OUTPUTS, written[0](*inputs.values())))
        write_text(partial / INPUTS, json.dumps(dict(
            program=PROGRAM, onnx=ONNX if onnx else None, pytorch=torch.__version__, inputs=_described(inputs),
            outputs=_described(outputs), largest_difference=difference), indent=2) + '\n')
    return difference


def random_inputs(inferencer: MomentRetrievalInferencer, batch: int, seed: int) -> Dict[str, Tensor]:
    """Random videos and queries of random lengths, in the sizes of a run, by the names of :data:`NAMES`."""
    recipe, text, random = inferencer.recipe, inferencer.text, torch.Generator().manual_seed(seed)
    shape = batch, recipe.max_words
    lengths = torch.randint(1, recipe.max_words + 1, (batch, 1), generator=random)
    mask = torch.arange(recipe.max_words) < lengths
    words = len(text.vocabulary) if text.vocabulary else 1
    ids = torch.randint(min(1, words - 1), words, shape, generator=random) * mask
    weights = torch.randint(1, 3, shape, generator=random).float() * mask
    features = 0.3 * torch.randn(*shape, text.dim, generator=random) * mask[..., None]
    video = torch.randn(batch, recipe.num_clips, recipe.features['dim'], generator=random)
    sentences = [] if text.sentence_dim is None else [torch.randn(batch, 1, text.sentence_dim, generator=random)]
    return dict(zip(NAMES, [video, features, mask, ids, weights, *sentences]))


def _difference(program: Callable, model: nn.Module, inputs: Dict[str, Tensor]) -> float:
    """The largest one of scores, and of spans but those of equal scores, whose order no runtime promises, and of
    peaks without height (:func:`~mmvmr.models.combiners.keep_delete_scan.highest_peaks`), which rounding makes."""
    with torch.no_grad():
        (spans, scores), (own_spans, own_scores) = program(*inputs.values()), model(*inputs.values())
    equal = own_scores.diff(dim=1).abs() < 1e-4
    tied = F.pad(equal, (1, 0)) | F.pad(equal, (0, 1)) | (own_scores == 0) & (own_scores.size(1) > 1)
    moved = (spans - own_spans).abs().masked_fill(tied.unsqueeze(-1), 0)
    return torch.maximum(moved.max(), (scores - own_scores).abs().max()).item()


def _described(tensors: Dict[str, Tensor]) -> List[Dict]:
    return [dict(name=name, shape=[None, *tensor.shape[1:]], dtype=str(tensor.dtype).removeprefix('torch.'))
            for name, tensor in tensors.items()]
