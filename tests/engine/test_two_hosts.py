"""Training on two hosts with addresses of their own: network namespaces, joined by a cable."""
import shutil
import subprocess
import uuid

import pytest
from runs import start_tool, write_config

from mmvmr.engine.checkpoint import load_checkpoint


def _ip(*words):
    return subprocess.run(['ip', *words], capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Names of two namespaces, with the addresses 10.77.0.1 and 10.77.0.2."""
    tag = uuid.uuid4().hex[:6]
    names = [f'vmr{tag}a', f'vmr{tag}b']
    if not shutil.which('ip') or _ip('netns', 'add', names[0]).returncode:
        pytest.skip('making network namespaces is not permitted here; it needs root and the command `ip`')
    try:
        assert _ip('netns', 'add', names[1]).returncode == 0
        made = _ip('link', 'add', names[0], 'netns', names[0], 'type', 'veth', 'peer', names[1], 'netns', names[1])
        if made.returncode:
            pytest.skip(f'virtual network cables are not to be had here: {made.stderr}')
        for number, name in enumerate(names, start=1):
            for words in (['addr', 'add', f'10.77.0.{number}/24', 'dev', name], ['link', 'set', name, 'up'],
                          ['link', 'set', 'lo', 'up']):
                assert _ip('-n', name, *words).returncode == 0
        yield names
    finally:
        for name in names:
            _ip('netns', 'del', name)


def test_two_hosts_train_together(hosts, tmp_path, tiny_dataset):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1))
    nodes = [start_tool(['ip', 'netns', 'exec', host, 'bash', 'tools/dist_train.sh', file, 1,
                         '--work-dir', tmp_path / 'run', '--cfg-options', 'train_dataloader.batch_size=2'],
                        NNODES='2', NODE_RANK=str(rank), MASTER_ADDR='10.77.0.1', PORT='29500')
             for rank, host in enumerate(hosts)]
    outputs = [node.communicate(timeout=200)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert any('2 x CPU' in output for output in outputs), outputs
    assert load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')['meta']['iter'] == 4  # 16 pairs, two at a time on each
