"""What earlier versions have left in the folder of a run is read as it was meant."""
from pathlib import Path

import pytest
from runs import make_runner, write_config

from mmvmr.engine.run.check_config import check_config
from mmvmr.engine.run.config import read_config


@pytest.mark.parametrize('method', ['cpl', 'pps'])
def test_lambda_of_an_old_run_becomes_the_width_that_it_asked_for(tmp_path, tiny_dataset, method):
    runner = make_runner(write_config(tmp_path / 'config.py', tiny_dataset, method, train_cfg=dict(max_epochs=1)),
                         tmp_path / 'run')
    runner.train()
    path = next((tmp_path / 'run').glob('*.py'))
    text, names = path.read_text(), [name for name in runner.model.losses if name in ('diversity', 'inter', 'intra')]
    kept = {name: runner.model.losses[name] for name in names}
    for loss in kept.values():
        text = text.replace(f"'width': {loss.width!r}", f"'target': {loss.target(10)!r}")
    assert "'target'" in text and "'width'" not in text
    path.write_text(text)
    config = read_config(path)
    check_config(config)
    for name, loss in kept.items():
        written = config.model.losses[name]
        assert 'target' not in written and (written.width, written.sigma) == pytest.approx((loss.width, 9))
    Path(tmp_path / 'other.py').write_text(text)
    with pytest.raises(ValueError, match='target is read by nothing'):  # a config that is written today
        check_config(read_config(tmp_path / 'other.py'))
