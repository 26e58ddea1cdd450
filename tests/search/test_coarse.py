import json

import torch
from parts import config
from runs import write_config
from tiny import make_tiny_dataset

from mmvmr.engine.run.config import read_config
from mmvmr.registry import DATASETS, MODELS
from mmvmr.search.coarse import PIECES, SHRINKAGE, expected_words, fit_words, make_coarse, piece_spans
from mmvmr.text.tokenizer import tokenize


def test_pieces_cover_the_window_and_overlap_by_half():
    spans = piece_spans(PIECES)
    assert spans[0, 0] == 0 and spans[-1, 1] == 1
    assert torch.allclose(spans[2:-1, 0], spans[1:-2].mean(dim=1))


def test_a_reconstructor_gives_a_distribution_of_words_for_each_piece(inferencer):
    words = make_coarse(inferencer)(torch.randn(1, 16, 8))
    assert words.shape == (PIECES, len(inferencer.recipe.vocabulary))
    assert torch.allclose(words.exp().sum(dim=1), torch.ones(PIECES))


def test_pieces_have_the_length_of_the_masks_that_the_reconstructor_was_trained_with():
    """T' is what the generator gives, whether or not it says so in an attribute."""
    torch.manual_seed(0)
    given = config('ms2d')
    given['reconstructors'] = config('cnm')['reconstructors']
    given['encoder'].pop('blank')
    model = MODELS.build(given).eval()
    reconstructor, lengths = model.reconstructors['query'], []
    log_probs = reconstructor.word_log_probs
    reconstructor.word_log_probs = lambda video, query, masks: (
        lengths.append(masks.size(-1)) or log_probs(video, query, masks))
    expected_words(model, reconstructor, torch.randn(1, 20, 8), word_dim=6)
    assert lengths == [10]  # clips of the proposals, of 20


def test_the_words_of_a_piece_depend_on_that_piece_alone(inferencer):
    clips = torch.randn(1, 16, 8)
    coarse = make_coarse(inferencer)
    before = coarse(clips)
    clips[:, 10:] = torch.randn(1, 6, 8)
    after = coarse(clips)
    assert torch.allclose(before[:4], after[:4]) and not torch.allclose(before[-4:], after[-4:])


def test_the_regression_is_the_minimum_of_the_ridge_objective(tmp_path):
    file = read_config(write_config(tmp_path / 'config.py', make_tiny_dataset(tmp_path / 'tiny'), 'mscl'))
    dataset = DATASETS.build(file.train_dataloader.dataset)
    dataset.full_init()
    ids = list(dict.fromkeys(pair['video_id'] for pair in dataset.data_list))
    features = torch.from_numpy(dataset.store.read_clips(ids, 16)).amax(dim=1).double()
    words = torch.zeros(len(ids), len(dataset.vocabulary), dtype=torch.float64)
    for pair in dataset.data_list:
        words[ids.index(pair['video_id']), list(filter(None, dataset.vocabulary.ids(tokenize(pair['query']))))] = 1
    scale = features.std(dim=0, correction=0)
    features, words = features - features.mean(dim=0), words - words.mean(dim=0)
    weights = fit_words(file)[:-1].double()  # without the offset
    gradient = features.T @ (features @ weights - words) + SHRINKAGE * len(ids) * scale[:, None]**2 * weights
    assert gradient[:, 1:].abs().max() < 1e-3 < (features.T @ words).abs().max()  # class 0 is no word


def test_the_regression_sees_no_timestamps(tmp_path):
    data = make_tiny_dataset(tmp_path / 'tiny')
    config = read_config(write_config(tmp_path / 'config.py', data, 'mscl'))
    before = fit_words(config)
    annotations = data.root / 'train.json'
    pairs = [[video, duration, None, text] for video, duration, _, text in json.loads(annotations.read_text())]
    annotations.write_text(json.dumps(pairs))
    assert torch.equal(fit_words(config), before)
