"""The work dir of a training belongs to it alone, for as long as it runs."""
import os
import socket
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook

from mmvmr.engine.input_recipe import RECIPE, VOCABULARY
from mmvmr.registry import HOOKS


@HOOKS.register_module()
class WorkDirHook(Hook):
    """Locks the work dir, and deletes what a training that was killed there has left half-written.

    The lock is that of a file, ``.lock``, which the system takes away when the process ends, however it ends. Processes
    that it has started do not inherit it. Network disks that know no locks get none, and nothing is deleted there.
    """
    priority = 'VERY_HIGH'  # before anything is written

    @master_only
    def before_train(self, runner) -> None:
        folder = Path(runner.work_dir)
        if self._lock(folder, runner.logger):
            for name in ('*.pth', VOCABULARY, RECIPE):  # a test that runs beside may be writing others
                for partial in folder.glob(f'.{name}.*.partial'):
                    partial.unlink()

    def _lock(self, folder: Path, logger) -> bool:
        """Whether this process now has the folder.

        Raises:
            FileExistsError: If another training has it.
        """
        import fcntl  # Unix only
        self._file = open(folder / '.lock', 'a+')
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            self._file.seek(0)
            raise FileExistsError(f'Another training works in "{folder}": {self._file.read() or "unknown"}. Wait for '
                                  'it, end it, or give another --work-dir.') from error
        except OSError as error:
            logger.warning(f'"{folder}" cannot be locked ({error}): see to it that no two trainings share it.')
            return False
        self._file.truncate(0)
        self._file.write(f'process {os.getpid()} on {socket.gethostname()}')
        self._file.flush()
        return True
