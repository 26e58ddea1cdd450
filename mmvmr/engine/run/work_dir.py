"""The work dir of a training belongs to it alone, for as long as it runs."""
import os
import socket
from pathlib import Path
from typing import Union

from mmengine.dist import master_only

from mmvmr.engine.run.input_recipe import RECIPE, VOCABULARY


@master_only
def claim_work_dir(work_dir: Union[str, Path]) -> None:
    """Make and lock a work dir until this process ends, and delete what killed trainings have left half-written there.

    The lock is that of the file ``.lock``, which the system takes away however the process ends; children do not
    inherit it. On network disks without locks nothing is deleted.

    Raises:
        FileExistsError: If another training has it.
    """
    import fcntl  # Unix only, and only training needs it
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    file = os.open(Path(work_dir, '.lock'), os.O_RDWR | os.O_CREAT, 0o666)  # never closed: that would end the lock
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        owner = os.read(file, 1000).decode(errors='replace')
        raise FileExistsError(f'Another training works in "{work_dir}": {owner}. Wait for it, end it, or give another '
                              '--work-dir.') from error
    except OSError:
        return
    os.ftruncate(file, 0)
    os.write(file, f'process {os.getpid()} on {socket.gethostname()}'.encode())
    for name in ('*.pth', VOCABULARY, RECIPE):  # other files may be of a test that is running
        for partial in Path(work_dir).glob(f'.{name}.*.partial'):
            partial.unlink()
