import itertools
import json

import pytest
import torch
from mmengine.registry import DefaultScope
from parts import METHODS, VOCAB, config, make_batch
from shipped import CONFIGS, read_shipped

from mmvmr.functional.maps import valid_cells
from mmvmr.registry import MODELS
from mmvmr.structures import Batch, MomentSample, Query
from mmvmr.visualization.explanation import explain, numbers

WORDS = [f'word{number}' for number in range(1, VOCAB)]


def _model(method, **changes):
    torch.manual_seed(0)
    return MODELS.build(dict(config(method), **changes)).eval()


def _samples(count=3, **fields):
    return [MomentSample(metainfo=dict(video_id=f'v{row}', query='q', duration=10.0 + row, **fields))
            for row in range(count)]


def _encoded(model, batch):
    """What the parts see of a batch: video (B, T, D) and query."""
    batch = model.data_preprocessor(dict(inputs=batch), False)['inputs']
    return model.encoder(batch.video, batch.query)


@pytest.mark.parametrize('method', METHODS)
def test_candidates_are_the_predictions_of_a_test(method):
    model = _model(method)
    records = explain(model, make_batch(), _samples(), WORDS)
    json.dumps(records, allow_nan=False)
    for record, sample in zip(records, model.test_step(dict(inputs=make_batch(), data_samples=_samples()))):
        assert record['spans'] == sample.pred_spans.double().round(decimals=4).tolist()
        assert record['scores'] == sample.pred_scores.double().round(decimals=4).tolist()
        assert record['gt_spans'] == [] and len(record['masks']) == len(record['spans'])


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'moving' in path.stem], ids=lambda path: path.stem)
def test_every_shipped_model_can_be_explained(path):
    file = read_shipped(path)
    with DefaultScope.overwrite_default_scope('mmvmr'):
        model = MODELS.build(file.model)
    words = [f'word{number}' for number in range(61)]
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    query = Query(torch.randn(2, 6, 300), mask, torch.arange(1, 13).view(2, 6) * mask, 1.0 * mask)
    records = explain(model, Batch(torch.randn(2, 64, 57), query), _samples(2), words)
    assert [record['words'] for record in records] == [words[:6], words[6:10]]
    for record in records:
        assert set(record['reconstruction']) == set(file.model.get('reconstructors', {}))
        assert set(record['negatives']) == set(file.model.get('negatives', {}))
        assert (record['components'] is None) == ('combiner' not in file.model)


def test_easy_negative_is_what_the_chosen_mask_leaves_out():
    record = explain(_model('cnm'), make_batch(), _samples(), WORDS)[0]
    assert record['negatives']['easy'] == pytest.approx([1 - value for value in record['masks'][0]], abs=1e-4)
    assert set(record['negatives']['hard']) == {1.0}


def test_side_negatives_are_those_of_the_end_of_training():
    model = _model('cpl', ranker=dict(type='VoteRanker'))
    outputs, _, order = model.rank(model.data_preprocessor(dict(inputs=make_batch()), False)['inputs'])
    record = explain(model, make_batch(), _samples(), WORDS)[0]
    start = outputs.proposals.spans[0, order[0, 0], 0].clamp(min=0)  # the mask is centred at half of it
    assert record['negatives']['left'].index(1.0) == int((start / 2 * 9).round())


def test_learned_negative_is_that_of_the_chosen_proposal():
    model = _model('pps')
    video, query = _encoded(model, make_batch())
    outputs, _, order = model.rank(model.data_preprocessor(dict(inputs=make_batch()), False)['inputs'])
    learned = model.negatives['learned'](outputs.proposals, video, query)  # (B, K, T') in the order of the generator
    assert len(set(order[:, 0].tolist())) > 1 or order[0, 0] != 0
    for row, record in enumerate(explain(model, make_batch(), _samples(), WORDS)):
        assert record['negatives']['learned'] == pytest.approx(learned[row, order[row, 0]].tolist(), abs=1e-4)


def test_negatives_that_were_learned_for_other_proposals_are_left_out():
    negatives = dict(config('pps')['negatives'])
    model = _model('pps', negatives=negatives, combiner=dict(type='KeepDeleteScan', num_proposals=5),
                   ranker=dict(type='ScoreRanker'), losses={})
    assert set(explain(model, make_batch(), _samples(), WORDS)[0]['negatives']) == {'hard'}


@pytest.mark.parametrize('task', ['query', 'inverse'])
def test_words_are_scored_as_if_each_alone_were_hidden(task):
    model, batch = _model('mcmt'), make_batch()
    records = explain(model, batch, _samples(), WORDS)
    video, query = _encoded(model, batch)
    for row, at in itertools.product(range(3), range(5)):
        if not query.words.mask[row, at]:
            continue
        chosen = torch.tensor(records[row]['masks'][0])
        masks = torch.stack([chosen, 1 - chosen, torch.ones(10)]).expand(3, -1, -1)
        hidden = torch.zeros_like(query.words.mask)
        hidden[row, at] = True
        log_p = model.reconstructors[task].word_log_probs(
            video, query._replace(words=query.words._replace(hidden=hidden)), masks)
        place = at if task == 'query' else int(query.words.mask[row].sum()) - 1 - at  # where the reader meets the word
        expected = log_p[row, :, place, query.words.word_ids[row, at]].tolist()
        scores = records[row]['reconstruction'][task]
        assert [scores[view][at] for view in ('chosen', 'rest', 'whole')] == pytest.approx(expected, abs=2e-3)
        assert records[row]['words'][at] == WORDS[query.words.word_ids[row, at] - 1]


def test_captioner_scores_add_up_to_its_nll_without_the_end_of_the_query():
    model = _model('ms2d')
    video, query = _encoded(model, make_batch(lengths=(4, 4, 4)))
    part, masks = model.reconstructors['query'], torch.rand(3, 2, 10)
    ends = part.classifier(part._caption(video, query, masks)[:, :, -1]).log_softmax(dim=-1)[..., 0]
    assert torch.allclose(part.word_scores(video, query, masks).sum(dim=-1) + ends, -5 * part(video, query, masks),
                          atol=1e-5)


def test_map_has_the_score_of_the_best_cell_where_its_moment_is():
    model = _model('ms2d')
    record = explain(model, make_batch(), _samples(), WORDS)[0]
    assert [len(cells) for cells in record['maps']] == [4, 8]
    for cells in record['maps']:
        known = torch.tensor([[value is not None for value in line] for line in cells])
        assert torch.equal(known, valid_cells(len(cells)))
        best = max(value for line in cells for value in line if value is not None)
        start, end = next((x, y) for x, line in enumerate(cells) for y, value in enumerate(line) if value == best)
        spans = [[start / len(cells) * 10, (end + 1) / len(cells) * 10]]
        assert best == pytest.approx(record['scores'][record['spans'].index(spans[0])], abs=1e-4)


def test_frame_scores_are_there_where_clips_are_scored():
    model, batch = _model('mscl'), make_batch()
    scores = explain(model, batch, _samples(), WORDS)[0]['frame_scores']
    assert scores == numbers(model.retrieve(batch).components.clips.scores[0]), 'as they are'
    scan = dict(combiner=dict(type='KeepDeleteScan', num_clips=16), ranker=dict(type='ScoreRanker'))
    scanned = explain(_model('cpl', **scan), make_batch(), _samples(), WORDS)[0]['frame_scores']
    assert len(scanned) == 16 and (min(scanned), max(scanned)) == (0, 1)
    mscl = dict(config('mscl'), type='MomentRetriever')
    vote = _model('cpl', **scan, advisers=dict(frames=mscl), merger=dict(type='CurveVoteMerger'))
    summed = explain(vote, make_batch(), _samples(), WORDS)[0]['frame_scores']
    assert len(summed) == 20 and (min(summed), max(summed)) == (0, 1) and summed != scanned
    assert explain(_model('cnm'), make_batch(), _samples(), WORDS)[0]['frame_scores'] is None


def test_pair_without_features_has_no_candidates():
    record = explain(_model('cpl'), make_batch(), _samples(absent=True), WORDS)[0]
    assert record['spans'] == record['masks'] == record['scores'] == []
