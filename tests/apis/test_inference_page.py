"""The code of docs/inference.md runs."""
import json
import re

import numpy as np
from runs import REPO, make_runner, write_config
from tiny import DIM
from videos import grey, write_frames

from mmvmr.registry import EXTRACTORS


class GreyValue:
    name, dim, clip_seconds, fps = 'grey', DIM, 0.5, 2

    def __call__(self, frames, fps):
        return np.stack([np.full(DIM, frame.mean() / 255, np.float32) for frame in frames])


def test_the_code_of_the_page_runs(tmp_path, tiny_dataset, monkeypatch, capsys):
    run = tmp_path / 'work_dirs' / 'cnm_moving_shapes'
    make_runner(write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1)), run).train()
    recipe = json.loads((run / 'inputs.json').read_text())
    recipe['features']['extractor'] = dict(type='GreyValue')
    (run / 'inputs.json').write_text(json.dumps(recipe))
    write_frames(tmp_path / 'video.mp4', [grey(number) for number in range(20)], fps=2, codec='mpeg4', pixels='yuv420p')
    np.save(tmp_path / 'rows.npy', np.ones((40, DIM), np.float32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(EXTRACTORS.module_dict, 'GreyValue', GreyValue)
    page = (REPO / 'docs' / 'inference.md').read_text(encoding='utf-8')
    blocks, names = re.findall(r'```python\n(.*?)```', page, flags=re.DOTALL), {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 2 and 'a red square moves up.' in capsys.readouterr().out
    assert [prediction['video'] for prediction in names['result']['predictions']] == ['3MSZA']
