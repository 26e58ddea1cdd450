"""Publishing a run: its weights, and what using them takes, without the state of the training."""
from io import BytesIO
from pathlib import Path
from typing import Dict, List, Tuple, Union

import torch

from mmvmr.engine.checkpoint import check_weights, load_checkpoint
from mmvmr.engine.run.places import find_model
from mmvmr.engine.run.run_files import find_run_files
from mmvmr.registry import MODELS
from mmvmr.utils.files import folder_written_aside, sha256_of_files, write_bytes, write_text


def publish(run: Union[str, Path], target: Union[str, Path],
            checkpoint: Union[str, Path, None] = None, half: bool = False) -> List[Tuple[Path, int]]:
    """Write a folder with the weights of a run, its config and the recipe of its inputs.

    Args:
        run: Folder of a run.
        target: Folder to write.
        checkpoint: Of the run, by default that of :func:`~mmvmr.engine.checkpoint.find_weights`.
        half: Write the weights in half precision, which takes half the space; they are read back in full precision.

    Returns:
        The files, and their sizes in bytes.

    Raises:
        FileExistsError: If the target is there, and not empty.
        FileNotFoundError, ValueError: If the run lacks something, or its parts do not fit each other.
    """
    if find_model(run, checkpoint)[1] is None:
        raise ValueError(f'"{run}" is a config, without weights that could be published. Give the folder of a run. A '
                         'model that has nothing to learn is its config, and the model that its features are from.')
    files = find_run_files(run, checkpoint)
    trained = load_checkpoint(files.weights)
    check_weights(MODELS.build(files.config.model), trained, files.weights)
    if half:
        halves: Dict = {}  # weights that several parts share are written once
        for name, value in trained['state_dict'].items():
            if value.is_floating_point():
                trained['state_dict'][name] = halves.setdefault((value.data_ptr(), value.shape), value.half())
    content = BytesIO()
    torch.save({key: trained[key] for key in ('state_dict', 'inputs') if key in trained}, content)
    with folder_written_aside(target, ()) as folder:
        name = Path(files.config.filename).stem
        weights = folder / f'{name}.pth'
        write_bytes(weights, content.getvalue())
        weights.rename(folder / f'{name}-{sha256_of_files(weights)[:8]}.pth')
        write_text(folder / f'{name}.py', Path(files.config.filename).read_text(encoding='utf-8'))
        files.recipe.save(folder)
    return [(path, path.stat().st_size) for path in sorted(Path(target).iterdir())]
