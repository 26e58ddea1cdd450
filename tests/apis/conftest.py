"""A trained model that the tests of the inferencer's parts share."""
import pytest
from runs import make_runner, write_config
from tiny import make_tiny_dataset

from mmvmr.apis import MomentRetrievalInferencer


@pytest.fixture(scope='package')
def inferencer(tmp_path_factory):
    """A model of CPL, trained for an epoch on videos of about 10 s."""
    root = tmp_path_factory.mktemp('trained')
    file = write_config(root / 'config.py', make_tiny_dataset(root / 'tiny'), 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, root / 'run').train()
    return MomentRetrievalInferencer(root / 'run', device='cpu', show_progress=False)
