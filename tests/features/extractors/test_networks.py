"""Are the networks fed and read as they should be, and are bad weights refused?"""
import hashlib
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mmvmr.engine.checkpoint import load_checkpoint
from mmvmr.features.extract import make_manifest
from mmvmr.registry import EXTRACTORS, TEXT_ENCODERS

transformers = pytest.importorskip('transformers', reason='CLIP is read by transformers: requirements/tests.txt')
from networks import save_network  # noqa: E402

RNG = np.random.default_rng(0)
FRAMES = [RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8) for _ in range(7)]


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """The folder of a tiny model of each kind, with random weights."""
    root = tmp_path_factory.mktemp('networks')
    return {kind: Path(save_network(kind, root / kind)) for kind in ('clip', 'siglip', 'siglip2', 'bert')}


@pytest.fixture
def clip(folders):
    return folders['clip']


@pytest.mark.parametrize('kind, dim', [('clip', 8), ('siglip', 16), ('siglip2', 16)])
def test_each_model_of_pictures_and_text_embeds_frames_as_transformers_does(folders, kind, dim):
    extractor = EXTRACTORS.build(dict(type='ClipExtractor', weights=str(folders[kind]), fps=2.0, device='cpu'))
    model = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    prepare = transformers.AutoImageProcessor.from_pretrained(folders[kind])
    pixels = prepare(images=[frame[..., ::-1] for frame in FRAMES], return_tensors='pt')
    with torch.no_grad():
        expected = model.get_image_features(**pixels).pooler_output
    np.testing.assert_allclose(extractor(FRAMES, 2.0)[:3], expected[:6].reshape(3, 2, dim).mean(dim=1), atol=1e-5)
    assert extractor.dim == dim


def test_the_manifest_tells_whose_sentences_lie_in_the_space_of_the_frames(clip):
    config = dict(type='ClipExtractor', weights=str(clip), device='cpu')
    manifest = make_manifest(config, EXTRACTORS.build(dict(config)))
    text = TEXT_ENCODERS.build(dict(manifest['text']))
    assert manifest['text'] == dict(type='TransformersText', weights=str(clip), gives='sentence',
                                    sha256=text.config['sha256'])
    assert text.sentence_dim == 8
    assert 'text' not in make_manifest(dict(type='DescriptorExtractor'), EXTRACTORS.build(
        dict(type='DescriptorExtractor')))


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_fewer_bits_give_nearly_the_same_rows(clip, dtype):
    def rows(**arguments):
        return EXTRACTORS.build(dict(type='ClipExtractor', weights=str(clip), device='cpu', **arguments))(FRAMES, 2.0)
    exact, found = rows(), rows(dtype=dtype)
    assert found.dtype == np.float32 and not np.array_equal(exact, found)
    np.testing.assert_allclose(found, exact, atol=0.05)
    with pytest.raises(ValueError, match="one of float32, bfloat16, float16, got 'int8'"):
        rows(dtype='int8')


def test_clip_averages_what_the_image_tower_says_of_each_rgb_frame(clip):
    extractor = EXTRACTORS.build(dict(type='ClipExtractor', weights=str(clip), fps=2.0, device='cpu'))
    model = transformers.CLIPModel.from_pretrained(clip).eval()
    scale = np.array([0.26862954, 0.26130258, 0.27577711])  # as published with CLIP
    embedded = []
    for frame in FRAMES:
        image = transformers.image_transforms.to_pil_image(frame[..., ::-1].copy())
        pixels = np.asarray(image.resize((48, 32), 3))[:, 8:40] / 255  # bicubic, then the middle
        pixels = (pixels - [0.48145466, 0.4578275, 0.40821073]) / scale
        pixels = torch.tensor(pixels.transpose(2, 0, 1)[None], dtype=torch.float32)
        with torch.no_grad():
            embedded.append(model.visual_projection(model.vision_model(pixels).pooler_output)[0].numpy())
    expected = [np.mean(embedded[start:start + 2], axis=0) for start in (0, 2, 4, 6)]
    rows = extractor(FRAMES, 2.0)
    assert (extractor.dim, rows.dtype) == (8, np.float32)
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_the_size_of_a_batch_changes_nothing_and_a_second_run_not_a_bit(clip):
    def rows(batch_size):
        return EXTRACTORS.build(dict(type='ClipExtractor', weights=str(clip), batch_size=batch_size))(FRAMES, 2.0)
    np.testing.assert_allclose(rows(3), rows(32), atol=1e-5)
    np.testing.assert_array_equal(rows(3), rows(3))


def test_clip_weights_are_known_by_their_hash(clip):
    extractor = EXTRACTORS.build(dict(type='ClipExtractor', weights=str(clip)))
    assert extractor.weights_sha256 == hashlib.sha256((clip / 'model.safetensors').read_bytes()).hexdigest()


def damage(folder, kind):
    if kind == 'pickle':
        (folder / 'model.safetensors').rename(folder / 'pytorch_model.bin')
    if kind == 'half':
        content = (folder / 'model.safetensors').read_bytes()
        (folder / 'model.safetensors').write_bytes(content[:len(content) // 2])
    if kind == 'no config':
        (folder / 'config.json').unlink()
    if kind == 'no scaling':
        (folder / 'preprocessor_config.json').unlink()
    if kind == 'text only':
        transformers.CLIPTextModelWithProjection.from_pretrained(folder).save_pretrained(folder)


@pytest.mark.parametrize('kind, error, message', [
    ('pickle', FileNotFoundError, r'holds pickled weights \(pytorch_model.bin\), which may run code'),
    ('half', ValueError, 'cannot be loaded by AutoModel: fetch it again'),
    ('no config', FileNotFoundError, 'has no config.json, which belongs'),
    ('no scaling', FileNotFoundError, 'has no preprocessor_config.json, which belongs'),
    ('text only', ValueError, 'holds a CLIPTextModel, which is no model of pictures and text')])
def test_bad_clip_weights_are_refused(clip, tmp_path, kind, error, message):
    folder = shutil.copytree(clip, tmp_path / 'bad')
    damage(folder, kind)
    with pytest.raises(error, match=f'bad".*{message}'):
        EXTRACTORS.build(dict(type='ClipExtractor', weights=str(folder)))


@pytest.mark.parametrize('place, message', [
    ('nowhere', 'does not exist'), ('clip/config.json', 'is a file'), ('empty', 'is empty: the weights are missing'),
    ('clip/cut', r'holds no \.safetensors: the weights are missing'), ('.', 'is no model, .* Give ".*/clip"'),
    ('hub', 'is a folder of a cache, .* Give ".*/hub/models--x--toy/snapshots/0a1b"'),
    ('hub/models--x--toy', 'is a folder of a cache, .* Give ".*/models--x--toy/snapshots/0a1b"')])
def test_what_stands_in_the_place_of_a_model_is_told(clip, tmp_path, place, message):
    shutil.copytree(clip, tmp_path / 'clip')
    (tmp_path / 'clip' / 'cut').mkdir()
    shutil.copy(clip / 'config.json', tmp_path / 'clip' / 'cut')
    (tmp_path / 'empty').mkdir()
    snapshot = shutil.copytree(clip, tmp_path / 'hub' / 'models--x--toy' / 'snapshots' / '0a1b')
    with pytest.raises(FileNotFoundError, match=f'{message}') as found:
        EXTRACTORS.build(dict(type='ClipExtractor', weights=str(tmp_path / place)))
    assert str(found.value).startswith(f'"{tmp_path / place}" ') and 'weights=' not in str(found.value)
    EXTRACTORS.build(dict(type='ClipExtractor', weights=str(snapshot)))


@pytest.mark.parametrize('name', ['model.safetensors', 'config.json', 'tokenizer.json'])
def test_a_pointer_of_git_lfs_is_told(clip, tmp_path, name):
    folder = shutil.copytree(clip, tmp_path / 'cloned')
    (folder / name).write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 605157884\n')
    with pytest.raises(ValueError, match=f'cloned/{name}" is not the file itself but a pointer of Git LFS'):
        EXTRACTORS.build(dict(type='ClipExtractor', weights=str(folder)))
    with pytest.raises(ValueError, match='git lfs pull'):
        load_checkpoint(folder / name)


def test_a_model_of_text_alone_is_no_extractor(folders):
    with pytest.raises(ValueError, match='bert" holds a BertModel, which is no model of pictures and text'):
        EXTRACTORS.build(dict(type='ClipExtractor', weights=str(folders['bert'])))


def test_nothing_is_looked_for_on_the_net():
    with pytest.raises(FileNotFoundError, match='openai/clip-vit-base-patch32" does not exist'):
        EXTRACTORS.build(dict(type='ClipExtractor', weights='openai/clip-vit-base-patch32'))


def test_without_transformers_the_way_to_it_is_said(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(ImportError, match=r'needs the package transformers.*\.\[clip\]'):
        EXTRACTORS.build(dict(type='ClipExtractor', weights=str(clip)))


def test_loading_clip_says_nothing_to_the_user(clip, capfd):
    EXTRACTORS.build(dict(type='ClipExtractor', weights=str(clip)))
    assert capfd.readouterr() == ('', '')


class Network(nn.Module):
    """As torchvision's: (B, 3, F, H, W) -> (B, classes), the classes last."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(3, 5, bias=False)
        self.fc = nn.Linear(5, 400)

    def forward(self, video):
        return self.fc(self.stem(video.mean(dim=(2, 3, 4))))


@pytest.fixture
def torchvision(monkeypatch):
    """A stand-in with the calls of torchvision that are used: it has no build for this torch on a CPU."""
    def scale(frames):  # (F, 3, H, W) uint8 -> (3, F, H, W)
        assert frames.dtype == torch.uint8 and frames.shape[1] == 3
        return frames.permute(1, 0, 2, 3) / 255
    models = types.ModuleType('torchvision.models')
    models.video = types.ModuleType('torchvision.models.video')
    models.list_models = lambda module: ['r3d_18'] if module is models.video else ['resnet18', 'r3d_18']
    models.get_model = lambda name, weights: Network()
    models.get_model_weights = lambda name: types.SimpleNamespace(
        DEFAULT=types.SimpleNamespace(url=f'https://download.pytorch.org/{name}.pth', transforms=lambda: scale))
    monkeypatch.setitem(sys.modules, 'torchvision', types.ModuleType('torchvision'))
    monkeypatch.setitem(sys.modules, 'torchvision.models', models)


def build_r3d(weights, **arguments):
    return EXTRACTORS.build(dict(type='TorchvisionVideoExtractor', model='r3d_18', weights=str(weights), device='cpu',
                                 **arguments))


def test_a_video_network_describes_evenly_spaced_frames_before_its_classes(torchvision, tmp_path):
    network = Network()
    torch.save(network.state_dict(), tmp_path / 'r3d.pth')
    extractor = build_r3d(tmp_path / 'r3d.pth', clip_seconds=1.0, num_frames=3)
    assert (extractor.dim, extractor.fps) == (5, 3)
    colors = np.array([frame[..., ::-1].mean(axis=(0, 1)) / 255 for frame in FRAMES], np.float32)  # RGB
    seen = [colors[[0, 2, 4]].mean(axis=0), colors[[5, 5, 6]].mean(axis=0)]  # places 0, 0.5 and 1 of the last two
    expected = seen @ network.stem.weight.detach().numpy().T
    np.testing.assert_allclose(extractor(FRAMES, 5.0), expected, atol=1e-5)
    assert extractor.weights_sha256 == hashlib.sha256((tmp_path / 'r3d.pth').read_bytes()).hexdigest()


class Bomb:
    def __reduce__(self):
        return print, ('code ran',)


@pytest.mark.parametrize('content, message', [
    ({'stem.weight': torch.zeros(5, 3)}, 'Missing key.*fc.weight'), (Bomb(), 'UnpicklingError'),
    (b'not weights', 'cannot be loaded as the weights of r3d_18')])
def test_bad_weights_of_a_video_network_are_refused_and_run_no_code(torchvision, tmp_path, capsys, content, message):
    torch.save(content, tmp_path / 'bad.pth')
    if isinstance(content, bytes):
        (tmp_path / 'bad.pth').write_bytes(content)
    with pytest.raises(ValueError, match=f'(?s)bad.pth.*{message}'):
        build_r3d(tmp_path / 'bad.pth')
    assert 'code ran' not in capsys.readouterr().out


def test_absent_weights_say_where_they_are_published(torchvision, tmp_path):
    with pytest.raises(FileNotFoundError, match='r3d_18 at https://download.pytorch.org/r3d_18.pth'):
        build_r3d(tmp_path / 'absent.pth')


def test_an_unknown_video_network_is_refused(torchvision):
    with pytest.raises(ValueError, match="'resnet18', but r3d_18"):
        EXTRACTORS.build(dict(type='TorchvisionVideoExtractor', model='resnet18', weights='a.pth'))


def test_without_torchvision_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with pytest.raises(ImportError, match='needs torchvision built for this torch'):
        build_r3d('a.pth')
