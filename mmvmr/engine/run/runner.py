"""MMEngine's runner, for runs that say little on the terminal and keep their folder as it was."""
from inspect import signature
from itertools import chain, count
from logging import WARNING, StreamHandler
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from mmengine.dist import master_only
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from mmvmr.engine.checkpoint import ATOMIC, check_weights, find_weights, load_checkpoint
from mmvmr.engine.distributed import unwrap
from mmvmr.engine.optim.schedulers import InverseSquareRootLR
from mmvmr.engine.run.config import MomentConfig
from mmvmr.engine.run.sizes import fill_sizes
from mmvmr.evaluation.interface import check_results
from mmvmr.registry import FUNCTIONS
from mmvmr.utils.files import write_text

_RUNS = count(1)  # of this process
_NOISE = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias')  # of MMEngine about itself


class MomentRunner(Runner):
    """MMEngine's runner, with these differences.

    - Sizes of the model that its config leaves out are read from the data.
    - Checkpoints are read without running anything that is in them, must fit the model in all weights, and are
      written in one piece.
    - The folder of the run gets the whole config, in the order of its entries, when weights and data have been found
      to fit: a training that is refused leaves the folder as it was.
    - While it is set up, the terminal is silent; environment, config and hooks go to the log file.
    - A warm-up that would take most of the training is shortened.
    """

    @classmethod
    def from_cfg(cls, cfg: MomentConfig, without: Sequence[str] = (), **replaced) -> 'MomentRunner':
        """Build a runner.

        Args:
            cfg: Of :func:`~mmvmr.engine.run.config.read_config`; sizes of the model are filled in.
            without: Parts of the config, 'train', 'val' or 'test', that it shall not know.
            replaced: Arguments of the runner that go before the entries of the config.
        """
        fill_sizes(cfg)
        unknown = {f'{part}_{kind}' for part in without for kind in ('dataloader', 'evaluator', 'cfg')}
        if 'train' in without:
            unknown |= {'optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'load_from', 'resume'}
        names = [name for name in signature(Runner.__init__).parameters if name in cfg and name not in unknown]
        if cfg.get('experiment_name') is None:  # MMEngine shares log and visualizer between runs of one name
            name, number = Path(cfg.filename or 'run').stem, next(_RUNS)
            replaced.setdefault('experiment_name', name if number == 1 else f'{name}_{number}')
        copied = MomentConfig(cfg.to_dict(), filename=cfg.filename)  # parts are taken out of what they are built from
        return cls(**{**{name: copied[name] for name in names}, **replaced}, cfg=cfg)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for handler, level in self._terminal.items():
            handler.setLevel(level)

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """MMEngine's logger, without what it says of its own future; warnings alone until the runner is built."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            handler.addFilter(lambda record: not str(record.msg).startswith(_NOISE))
        self._terminal = {handler: handler.level for handler in logger.handlers if type(handler) is StreamHandler}
        for handler, level in self._terminal.items():
            handler.setLevel(max(level, WARNING))
        return logger

    def dump_config(self) -> None:
        """Nothing: MMEngine calls this before anything has been checked."""

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """MMEngine's; when no hook has refused the training that begins, its config is kept."""
        super().call_hook(fn_name, **kwargs)
        if fn_name == 'before_train':
            self._keep_config()
            if self.iter >= self.max_iters:
                longer = 'max_epochs' if isinstance(self.train_loop, EpochBasedTrainLoop) else 'max_iters'
                self.logger.warning(f'This training is complete: {self.iter} of {self.max_iters} iterations are done. '
                                    f'It goes on with more: --cfg-options train_cfg.{longer}=N')

    @master_only
    def _keep_config(self) -> None:
        """Write the config of a training into its folder, without what depends on the machine."""
        name = Path(self.cfg.filename).name if self.cfg.filename else f'{self.timestamp}.py'
        self.cfg.randomness = dict(self.cfg.get('randomness') or {}, seed=self.seed)  # also one that was drawn
        write_text(Path(self.work_dir, name), MomentConfig(self.cfg.entries_of_run()).pretty_text)

    def register_default_hooks(self, hooks: Optional[Dict] = None) -> None:
        """MMEngine's; ``None`` in the place of any hook leaves it out, not only of MMEngine's own."""
        own = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
        super().register_default_hooks(
            {name: hook for name, hook in (hooks or {}).items() if hook is not None or name in own})

    @staticmethod
    def build_dataloader(dataloader: Union[DataLoader, Dict], seed: Optional[int] = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """MMEngine's, which joins moments to batches unless the config says otherwise."""
        if isinstance(dataloader, dict):
            collate = dict(dataloader.get('collate_fn') or dict(type='collate_moments'))
            if isinstance(collate['type'], str):
                collate['type'] = FUNCTIONS.get(collate['type'])
            dataloader = dict(dataloader, collate_fn=collate)
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    def build_evaluator(self, evaluator: Any) -> Evaluator:
        """MMEngine's, whose parts say by their names what they have computed wrongly."""
        built = super().build_evaluator(evaluator)
        for part in built.metrics:
            check_results(part)
        return built

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """MMEngine's, with warm-ups that fit the training."""
        built = super().build_param_scheduler(scheduler)
        for one in chain.from_iterable(built.values()) if isinstance(built, dict) else built:
            note = one.fit(self.max_iters) if isinstance(one, InverseSquareRootLR) else None
            if note and not self._resume:  # else the schedule is that of the checkpoint
                self.logger.warning(note)
        return built

    def load_checkpoint(self, filename: str, map_location: Union[str, Callable] = 'cpu', strict: bool = True,
                        revise_keys: Optional[List] = None) -> Dict:
        """Load all weights of a checkpoint, or of that of a run which is tested; nothing in it is run.

        Raises:
            FileNotFoundError, ValueError: If it is absent or damaged, or does not fit model and data.
        """
        filename = find_weights(filename) if Path(filename).is_dir() else filename
        checkpoint = load_checkpoint(filename, map_location)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        model = unwrap(self.model)
        check_weights(model, checkpoint, filename)
        model.load_state_dict(checkpoint['state_dict'])
        self._has_loaded = True
        self.logger.info(f'Weights: {filename}')
        return checkpoint

    def save_checkpoint(self, *args, backend_args: Optional[Dict] = None, **kwargs) -> None:
        """MMEngine's, with files that are whole or not there."""
        super().save_checkpoint(*args, backend_args=backend_args or ATOMIC, **kwargs)
