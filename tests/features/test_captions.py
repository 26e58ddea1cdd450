"""Captions of clips as features, in the space of the sentences that are asked."""
import gzip
import json

import numpy as np
import pytest
from videos import grey, write_frames

from mmvmr.apis import MomentRetrievalInferencer, VideoFeatures
from mmvmr.cli.main import main
from mmvmr.engine.run.config import read_config
from mmvmr.features.captions import read_captions
from mmvmr.features.stores.feature_store import open_feature_store
from mmvmr.text.encoders.transformers_text import TransformersText

pytest.importorskip('transformers', reason='sentences are embedded by it: requirements/tests.txt')
from networks import save_network  # noqa: E402

CAPTIONS = ['a red ball', 'a red ball', '', 'a dog jumps over a fence', 'a dog jumps over a fence', 'a red ball']


@pytest.fixture
def bert(tmp_path):
    return save_network('bert', tmp_path / 'bert')


def write(path, **videos):
    with (gzip.open if path.suffix == '.gz' else open)(path, 'wt', encoding='utf-8') as file:
        file.writelines(json.dumps(dict(vid=video, captions=captions)) + '\n' for video, captions in videos.items())
    return path


def test_captions_are_read_from_texts_and_from_lines(tmp_path):
    (tmp_path / 'texts').mkdir()
    (tmp_path / 'texts' / 'v.txt').write_text('\n'.join(CAPTIONS))
    (tmp_path / 'texts' / 'w.txt').write_text('a man\u2028waves\na dog\n', encoding='utf-8')
    assert read_captions(tmp_path / 'texts') == dict(v=CAPTIONS, w=['a man\u2028waves', 'a dog'])
    for name in ('a.jsonl', 'a.jsonl.gz'):
        assert read_captions(write(tmp_path / name, v=CAPTIONS, w=['a'])) == dict(v=CAPTIONS, w=['a'])


def test_blank_lines_of_captions_are_nothing(tmp_path):
    path = write(tmp_path / 'a.jsonl', v=CAPTIONS, w=['a'])
    path.write_text('\n' + path.read_text().replace('\n', '\n\n') + '\n')
    assert read_captions(path) == dict(v=CAPTIONS, w=['a'])


def test_moments_are_found_among_captions_by_the_encoder_that_embedded_them(tmp_path, bert, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / 'captions.jsonl', v=CAPTIONS)
    with pytest.raises(SystemExit) as end:
        main(['captions', 'captions.jsonl', 'data/custom/features', '--weights', bert, '--clip-seconds', '2'])
    assert not end.value.code
    store, text = open_feature_store('data/custom/features'), TransformersText(bert, gives='sentence')
    expected = text.embed(['a red ball', 'a dog jumps over a fence'])[[0, 0, 0, 1, 1, 0]]
    expected[2] = 0
    np.testing.assert_allclose(store.read('v'), expected, atol=1e-5)
    (tmp_path / 'data' / 'custom' / 'test.json').write_text(json.dumps([['v', 12.0, [6, 10], 'a dog jumps']]))
    options = {'model.proposal_generator.decoder.smoothing': 0.01}
    inferencer = MomentRetrievalInferencer(read_config('zero_shot_otsu_custom', options), device='cpu')
    assert inferencer.text.config == text.config
    video = VideoFeatures.from_file('data/custom/features', 'v', 12.0)
    best = inferencer(video, 'a dog jumps over a fence')['predictions'][0]['moments'][0]
    assert (best['start'], best['end']) == (6, 10) and best['match'] == pytest.approx(1, abs=1e-3)
    write_frames(tmp_path / 'video.mp4', [grey(1)] * 8, codec='mpeg4', pixels='yuv420p')
    with pytest.raises(ValueError, match='do not say how to make them'):
        inferencer('video.mp4', 'a dog')


@pytest.mark.parametrize('content, message', [
    ('{"vid": "v"}', "KeyError: 'captions'"), ('{"vid": "v", "captions": "a dog"}', 'no list of texts'),
    ('{"vid": "v", "captions": ["", " "]}', "line 1: video 'v' has no captions"), ('{"vid"', 'JSONDecodeError'),
    ('{"vid": "v", "captions": ["a"]}\n{"vid": "v", "captions": ["a"]}', "line 2: video 'v' has captions twice")])
def test_what_are_no_captions_is_refused_with_what_was_expected(tmp_path, content, message):
    (tmp_path / 'a.jsonl').write_text(content)
    with pytest.raises(ValueError, match=f'(?s)a.jsonl".*{message}.*Expected a folder'):
        read_captions(tmp_path / 'a.jsonl')
    with pytest.raises(FileNotFoundError, match='holds no captions'):
        read_captions(write(tmp_path / 'empty.jsonl'))
