"""When checkpoints are written and what is in them, so that a resumed run is the run that was interrupted."""
from pathlib import Path
from typing import Dict, List, Optional

from mmengine.dist import gather_object, get_rank, get_world_size, is_main_process, master_only
from mmengine.hooks import CheckpointHook as _CheckpointHook
from torch import Tensor

from mmvmr.engine.checkpoint import check_weights, to_plain
from mmvmr.engine.distributed import unwrap
from mmvmr.engine.run.config import differences
from mmvmr.engine.run.config_file import literals_of
from mmvmr.evaluation.interface import check_key
from mmvmr.registry import HOOKS
from mmvmr.utils.files import write_bytes


@HOOKS.register_module()
class CheckpointHook(_CheckpointHook):
    """MMEngine's hook with the same arguments, for runs that can be killed at any time and resumed exactly.

    - An epoch that is validated is saved after its validation, together with what was found to be best so far; so no
      validation is left out when a run is resumed.
    - Everything beside weights is stored as plain data, see :func:`~mmvmr.engine.checkpoint.load_checkpoint`.
    - Gradients that wait for more to be accumulated are saved, of each process its own. For this, whoever calls
      ``runner.save_checkpoint`` calls ``runner.call_hook('before_save_in_all')`` before it, in all processes.
    - A checkpoint is deleted when the one that replaces it is whole; MMEngine deletes it first. A run that is killed in
      between deletes it when it is resumed.
    - A run that is resumed from a copied work dir deletes no file of the original; one that goes on in another work
      dir takes the best checkpoint so far with it.
    - Optimizer and schedule of a resumed run are those of the checkpoint, so a config with others is refused.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.args:  # MMEngine would fail at the first checkpoint
            raise TypeError(f'CheckpointHook has no argument {", ".join(self.args)}.')
        self._due = False
        self._waiting: List[Dict[str, Tensor]] = []  # gradients of each process, in the main one
        self._replaced: List[str] = []  # names of checkpoints, in the main process

    def before_train(self, runner) -> None:
        self._bring_best(runner)
        super().before_train(runner)
        for key in self.save_best or () if runner.val_loop is not None else ():
            if key != 'auto':
                check_key(key, 'default_hooks.checkpoint.save_best', runner.val_evaluator.metrics)
        self._delete_replaced()
        self.file_backend.remove = lambda path: self._replaced.append(Path(path).name)

    def after_train_epoch(self, runner) -> None:
        self._due = False
        if self.by_epoch and _validation_follows(runner):
            self._due = self.every_n_epochs(runner, self.interval, self.save_begin) or (
                self.save_last and self.is_last_train_epoch(runner))
        else:
            super().after_train_epoch(runner)

    def after_val_epoch(self, runner, metrics: Dict[str, float]) -> None:
        if self.out_dir is None:  # validation without training
            return
        self._check_metrics(metrics)
        if not self.by_epoch:
            super().after_val_epoch(runner, metrics)
            return
        last, self.last_ckpt = self.last_ckpt, None  # else the parent saves this epoch whenever it is the best
        super().after_val_epoch(runner, metrics)
        self.last_ckpt = last
        if self._due or (self.save_last and runner.train_loop.stop_training):
            runner.logger.info(f'Saving checkpoint at {runner.epoch} epochs')
            self._save_checkpoint_with_step(runner, runner.epoch, dict(epoch=runner.epoch, iter=runner.iter))
            self._due = False
        self._delete_replaced()

    def before_save_in_all(self, runner) -> None:
        """Bring the gradients that wait to the process that saves; they differ, as DDP adds them up at the update."""
        own = {name: parameter.grad.cpu() for name, parameter in unwrap(runner.model).named_parameters()
               if parameter.grad is not None}
        self._waiting = gather_object(own) or []

    def before_save_checkpoint(self, runner, checkpoint: Dict) -> None:
        for key in ('meta', 'message_hub'):
            checkpoint[key] = to_plain(checkpoint[key])
        if 'optimizer' in checkpoint:  # not the best checkpoint, from which nothing is resumed
            checkpoint['replaced'] = self._replaced
            if any(self._waiting):
                checkpoint['gradients'] = self._waiting
            self._waiting = []

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        if not runner._resume:
            return
        absent = [key for key in ('meta', 'state_dict', 'message_hub', 'optimizer') if key not in checkpoint]
        if absent:
            raise ValueError(f'Training cannot be resumed from "{runner._load_from}", which lacks {", ".join(absent)}. '
                             'Resume from an epoch_*.pth; to start anew from its weights, set `load_from` instead.')
        _refuse_other_schedule(checkpoint['meta'].get('cfg'), runner)
        model = unwrap(runner.model)
        check_weights(model, checkpoint, runner._load_from)
        waiting = _own_gradients(checkpoint.get('gradients', []))
        for name, parameter in model.named_parameters():
            if name in waiting:
                parameter.grad = waiting[name].to(parameter.device)
        self._replaced = list(checkpoint.get('replaced', []))
        info = checkpoint['message_hub']['runtime_info']
        for key, path in info.items():
            if key.startswith(('best_ckpt', 'last_ckpt')) and path:
                info[key] = str(Path(self.out_dir or runner.work_dir, Path(path).name))

    @staticmethod
    def _bring_best(runner) -> None:
        """What was best before a training was resumed, if that was in another folder."""
        info = runner.message_hub.runtime_info
        for key in [key for key in info if key.startswith('best_ckpt') and info[key]]:
            path, source = Path(info[key]), Path(runner._load_from or runner.work_dir).with_name(Path(info[key]).name)
            if source.is_file() and is_main_process() and not path.is_file():
                write_bytes(path, source.read_bytes())
            elif not source.is_file() and not path.is_file():
                runner.logger.warning(f'The best checkpoint so far, {path.name}, is not beside "{runner._load_from}". '
                                      'The best of the epochs to come is chosen.')
                del info[key]
                info.pop(key.replace('best_ckpt', 'best_score'), None)

    def _save_checkpoint_with_step(self, runner, step: int, meta: Dict) -> None:
        runner.call_hook('before_save_in_all')
        super()._save_checkpoint_with_step(runner, step, meta)
        self._delete_replaced()

    @master_only
    def _delete_replaced(self) -> None:
        for path in (Path(self.out_dir, Path(name).name) for name in self._replaced):
            if path.suffix == '.pth':  # the names may come from a file of a stranger
                path.unlink(missing_ok=True)
        self._replaced.clear()

    def _check_metrics(self, metrics: Dict[str, float]) -> None:
        absent = [key for key in self.save_best or () if key != 'auto' and key not in metrics]
        if absent and metrics:
            raise ValueError(f'The best checkpoint is to be chosen by {absent}, but validation measures '
                             f'{sorted(metrics)}. Set default_hooks.checkpoint.save_best to one of them, or to None.')


def _refuse_other_schedule(config: Optional[str], runner) -> None:
    """Compare what a checkpoint holds the state of, and the settings with it, with the config."""
    try:
        before, now = literals_of(config or ''), runner.cfg.entries_of_run()
    except ValueError:  # of somebody else
        return
    found = [line for key in ('optim_wrapper', 'param_scheduler') if key in before
             for line in differences(before[key], now.get(key), key)
             if key == 'param_scheduler' or {'optimizer', 'paramwise_cfg'} & set(line.split(':')[0].split('.'))]
    if found:
        raise ValueError('A training that is resumed goes on with the optimizer and the schedule of its checkpoint, so '
                         f'these cannot change: {"; ".join(found[:5])}. Leave them as they were; or start another '
                         f'training, in another --work-dir, with load_from="{runner._load_from}".')


def _validation_follows(runner) -> bool:
    """Whether the train loop validates after the epoch that has just been trained; the rule of MMEngine's loop."""
    done, loop = runner.epoch + 1, runner.train_loop
    return runner.val_loop is not None and done >= loop.val_begin and (
        done % loop.val_interval == 0 or done == loop.max_epochs)


def _own_gradients(gradients: List[Dict[str, Tensor]]) -> Dict[str, Tensor]:
    """Of the gradients of all processes those of this one. DDP takes their mean; so if there were more or fewer
    processes when they were saved, each gets that.
    """
    if len(gradients) == get_world_size():
        return gradients[get_rank()]
    names = sorted({name for own in gradients for name in own})
    return {name: sum(own[name] for own in gradients if name in own) / len(gradients) for name in names}
