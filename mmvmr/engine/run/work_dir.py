"""The work dir of a training belongs to it alone, for as long as it runs."""
from pathlib import Path
from typing import Union

from mmengine.dist import master_only

from mmvmr.engine.run.input_recipe import RECIPE, VOCABULARY
from mmvmr.utils.files import PARTIAL, open_locked


@master_only
def claim_work_dir(work_dir: Union[str, Path]) -> None:
    """Make and lock a work dir until this process ends, and delete what killed trainings have left half-written there.

    The lock is that of the file ``.lock``, which the system takes away however the process ends; children do not
    inherit it. On network disks without locks nothing is deleted.

    Raises:
        FileExistsError: If another training has it.
    """
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    try:
        open_locked(Path(work_dir, '.lock'))  # never closed: that would end the lock
    except FileExistsError as error:
        raise FileExistsError(f'{error} Wait for that training, end it, or give another --work-dir.') from error
    except OSError:
        return
    for name in ('*.pth', VOCABULARY, RECIPE):  # other files may be of a test that is running
        for partial in Path(work_dir).glob(PARTIAL.format(name=name, writer='*')):
            partial.unlink()
