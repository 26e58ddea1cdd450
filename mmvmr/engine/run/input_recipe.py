"""What turns a video and a sentence into an input of a trained model, kept in the folder of its run."""
import json
from pathlib import Path
from statistics import median
from typing import Dict, NamedTuple, Union

from mmengine.dist import master_only
from mmengine.hooks import Hook

from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.registry import HOOKS
from mmvmr.text.vocabulary import Vocabulary
from mmvmr.utils.files import write_text

RECIPE, VOCABULARY = 'inputs.json', 'vocabulary.npz'


class InputRecipe(NamedTuple):
    """The settings of a training set that its model has to meet again when it is used."""
    vocabulary: Vocabulary
    features: Dict  # ``dim`` and, as far as the store knows, ``extractor``, ``weights_sha256``, ``clip_seconds``
    num_clips: int  # T
    max_words: int
    median_duration: float  # seconds, of the training videos
    longest_duration: float

    @classmethod
    def from_dataset(cls, dataset: MomentDataset) -> 'InputRecipe':
        """The recipe that a dataset with features and vocabulary follows."""
        dataset.full_init()
        manifest = getattr(dataset.store, 'manifest', {})
        known = {key: manifest[key] for key in ('extractor', 'weights_sha256', 'clip_seconds') if key in manifest}
        durations = {pair['video_id']: float(pair['duration']) for pair in dataset.data_list}.values()
        return cls(dataset.vocabulary, dict(dim=dataset.store.dim, **known), dataset.num_clips, dataset.max_words,
                   median(durations), max(durations))

    def save(self, folder: Union[str, Path]) -> None:
        """Write ``vocabulary.npz`` and, when that is whole, ``inputs.json``."""
        self.vocabulary.save(Path(folder, VOCABULARY))
        settings = {key: value for key, value in self._asdict().items() if key != 'vocabulary'}
        write_text(Path(folder, RECIPE), json.dumps(settings, indent=2) + '\n')

    @classmethod
    def load(cls, folder: Union[str, Path]) -> 'InputRecipe':
        """Read what :meth:`save` has written. Nothing in it is executed.

        Raises:
            FileNotFoundError: If there is no recipe in the folder.
            ValueError: If it is damaged.
        """
        path = Path(folder, RECIPE)
        try:
            settings = json.loads(path.read_text(encoding='utf-8'))
            return cls(Vocabulary.load(path.with_name(VOCABULARY)), **settings)
        except FileNotFoundError:
            raise
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f'"{path}" cannot be read ({error}). Copy the run again; without {RECIPE} and '
                             f'{VOCABULARY}, the files that the config names are used.') from error


@HOOKS.register_module()
class InputRecipeHook(Hook):
    """Writes the :class:`InputRecipe` of the training set into the work dir.

    Config, checkpoint and recipe are then all that inference needs: the data set may be elsewhere.
    """

    @master_only
    def before_train(self, runner) -> None:
        dataset = runner.train_dataloader.dataset
        if isinstance(dataset, MomentDataset) and dataset.store is not None:
            InputRecipe.from_dataset(dataset).save(runner.work_dir)
