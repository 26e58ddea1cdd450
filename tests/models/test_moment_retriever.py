import copy

import pytest
import torch
from parts import METHODS, config, make_batch

from mmvmr.engine.optim.alternating import AlternatingConstructor
from mmvmr.models.layers.attention import Draws
from mmvmr.registry import MODELS
from mmvmr.structures import MomentSample


def _build(method, **changes):
    torch.manual_seed(0)
    return MODELS.build(dict(config(method), **changes))


def _samples(count, duration=20.0):
    return [MomentSample(metainfo=dict(video_id=f'v{i}', query='q', duration=duration)) for i in range(count)]


def _predict(model, batch, **kwargs):
    data = model.data_preprocessor(dict(inputs=batch, data_samples=_samples(len(batch.video))), False)
    with torch.no_grad():
        return model.eval().predict(**data, **kwargs)


@pytest.mark.parametrize('method', METHODS)
def test_gradients_reach_every_parameter(method):
    model = _build(method)
    losses = model(**model.data_preprocessor(dict(inputs=make_batch()), True), mode='loss')
    sum(losses.values()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize('method', METHODS)
def test_moments_come_best_first_and_inside_the_video(method):
    samples = _predict(_build(method), make_batch())
    candidates = dict(cnm=1, cpl=4, pps=3, mcmt=1 + 3, ms2d=2 * 3, mscl=3)[method]
    for sample in samples:
        assert sample.pred_spans.shape == (candidates, 2)
        assert (sample.pred_spans[:, 0] <= sample.pred_spans[:, 1]).all()
        assert sample.pred_spans.min() >= 0 and sample.pred_spans.max() <= 20
        assert sample.pred_scores.tolist() == sorted(sample.pred_scores.tolist(), reverse=True)


@pytest.mark.parametrize('method', METHODS)
def test_prediction_does_not_depend_on_the_random_state_or_on_the_rest_of_the_batch(method):
    model, batch = _build(method), make_batch()
    margin = len(model.reconstructors) > 0
    first = _predict(model, batch, margin=margin)
    torch.manual_seed(99)
    query = batch.query
    shortest = batch._replace(video=batch.video[1:2], query=type(query)(
        query.features[1:2, :3], query.mask[1:2, :3], query.word_ids[1:2, :3], query.word_weights[1:2, :3]))
    alone = _predict(model, shortest, margin=margin)[0]
    torch.testing.assert_close(alone.pred_spans, first[1].pred_spans)
    torch.testing.assert_close(alone.pred_scores, first[1].pred_scores)
    if margin:
        assert alone.margin == pytest.approx(first[1].margin, abs=1e-5)


@pytest.mark.parametrize('method', METHODS)
def test_encoded_video_does_not_depend_on_the_query(method):
    model, batch = _build(method).eval(), make_batch()
    other = make_batch(seed=1).query
    video = model.encoder(batch.video, batch.query)[0]
    torch.testing.assert_close(video, model.encoder(batch.video, other)[0])


def test_hidden_words_leave_no_trace_in_the_reconstruction():
    model, batch = _build('cnm').eval(), make_batch()
    inputs = model.data_preprocessor(dict(inputs=batch), False)['inputs']
    features = torch.where(inputs.query.hidden.unsqueeze(-1), torch.randn_like(inputs.query.features),
                           inputs.query.features)
    changed = inputs._replace(query=inputs.query._replace(features=features))
    masks = torch.rand(3, 2, 10)
    nll = [model.reconstructors['query'](*model.encoder(x.video, x.query), masks) for x in (inputs, changed)]
    torch.testing.assert_close(*nll)


def test_losses_never_see_a_ground_truth_span():
    model, batch = _build('cpl').eval(), make_batch()
    data = model.data_preprocessor(dict(inputs=batch, data_samples=_samples(3)), False)
    plain = model(**data, mode='loss')
    for sample in data['data_samples']:
        sample.gt_spans = torch.full((1, 2), float('nan'))
    for name, value in model(**data, mode='loss').items():
        assert value.item() == plain[name].item()


def test_only_the_negatives_that_a_loss_needs_are_reconstructed():
    model = _build('cnm').eval()
    inputs = model.data_preprocessor(dict(inputs=make_batch()), False)['inputs']
    counts = []
    model.reconstructors['query'].register_forward_hook(lambda m, args, out: counts.append(args[2].size(1)))
    model(inputs, mode='loss', losses=['reconstruction'])
    assert sum(counts) == 2  # the proposal and the whole video
    counts.clear()
    model(inputs, mode='loss')
    assert sum(counts) == 3
    counts.clear()
    model.predict(inputs, _samples(3))
    assert counts == []  # one proposal: nothing to rank


def test_negatives_are_those_of_the_best_proposal():
    model = _build('cpl').eval()
    inputs = model.data_preprocessor(dict(inputs=make_batch()), False)['inputs']
    outputs = model(inputs, mode='tensor')
    best = outputs.nll['query']['positive'].argmin(dim=1)
    left = model.negatives['left'](outputs.proposals, None, None)[torch.arange(3), best].unsqueeze(1)
    nll = model.reconstructors['query'](outputs.video, outputs.query, left)
    torch.testing.assert_close(nll, outputs.nll['query']['left'])


@pytest.mark.parametrize('method', ['cpl', 'pps'])
def test_gradients_of_the_best_proposal_alone_are_those_of_a_single_pass_with_dropout(method):
    model = _build(method).train()
    inputs = model.data_preprocessor(dict(inputs=make_batch()), True)['inputs']
    found = []
    for keep in (True, False):  # differentiate all proposals, or the best
        model.zero_grad()
        torch.manual_seed(1)
        outputs = model._propose(inputs)[0]
        masks = dict(positive=outputs.proposals.masks)
        torch.manual_seed(2)
        nll = (model._explain(model.reconstructors['query'], outputs, masks, draws=Draws()) if keep else
               model._explain_best(model.reconstructors['query'], outputs, {}))['positive']
        nll.amin(dim=1).sum().backward()
        found.append((nll.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}))
    (nll, gradients), (again, others) = found
    torch.testing.assert_close(again, nll)
    assert gradients.keys() == others.keys()
    assert method == 'pps' or len(nll.argmin(dim=1).unique()) > 1
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize('method,masks', [('cnm', [(3, True)]), ('cpl', [(4, False), (4, True)]),
                                          ('pps', [(5, True), (3, False), (3, True)])])  # the first is the combiner's
def test_a_training_step_differentiates_the_best_proposal_and_its_negatives(method, masks):
    model, seen = _build(method).train(), []
    transformer = model.reconstructors['query'].transformer
    reconstruct = transformer.reconstruct

    def noted(video, words, masks, draws=None):
        seen.append((masks.size(1), torch.is_grad_enabled()))
        return reconstruct(video, words, masks, draws)

    transformer.reconstruct = noted
    model(**model.data_preprocessor(dict(inputs=make_batch()), True), mode='loss')
    assert seen == masks


def test_mcmt_with_one_component_and_the_forward_task_is_cnm():
    single = config('mcmt')
    single['proposal_generator'].update(num_proposals=1, bidirectional=False, spread_centers=False)
    single['combiner']['peak_normalized'] = False
    single.update(reconstructors=config('cnm')['reconstructors'], losses=config('cnm')['losses'])
    torch.manual_seed(0)
    mcmt, cnm = MODELS.build(single).eval(), _build('cnm').eval()
    cnm.load_state_dict(mcmt.state_dict())
    inputs = cnm.data_preprocessor(dict(inputs=make_batch()), False)['inputs']
    for name, value in cnm(inputs, mode='loss').items():
        assert mcmt(inputs, mode='loss')[name].item() == pytest.approx(value.item(), rel=1e-6)


def test_margin_is_by_how_much_the_mask_beats_the_rest_and_the_whole():
    model, batch = _build('cnm').eval(), make_batch()
    sample = _predict(model, batch, margin=True)[0]
    inputs = model.data_preprocessor(dict(inputs=batch), False)['inputs']
    nll = {name: value[0, 0].item() for name, value in model(inputs, mode='tensor').nll['query'].items()}
    assert sample.margin == pytest.approx(min(nll['easy'], nll['hard']) - nll['positive'], abs=1e-5)


def test_span_level_reads_the_span_from_the_mask():
    model = _build('cnm', span_level=0.5).eval()
    sample = _predict(model, make_batch())[0]
    outputs = model(model.data_preprocessor(dict(inputs=make_batch()), False)['inputs'])
    mask = outputs.proposals.masks[0, 0]
    start, end = (sample.pred_spans[0] / 20 * 9).tolist()  # in grid steps
    for position in (start, end):
        if 0 < position < 9:
            low = int(position)
            height = mask[low] + (mask[low + 1] - mask[low]) * (position - low)
            assert height.item() == pytest.approx(0.5 * mask.max().item(), abs=1e-4)


@pytest.mark.parametrize('level', [0, -0.1, 1.01, 50])
def test_span_level_that_is_no_fraction_of_a_peak_is_refused(level):
    with pytest.raises(ValueError, match=f'span_level .*above 0 and up to 1; got {level}'):
        MODELS.build(dict(config('cnm'), span_level=level))
    assert MODELS.build(dict(config('cnm'), span_level=1)).span_level == 1


@pytest.mark.parametrize('temperature', [0, -0.1])
def test_number_that_a_part_refuses_is_told_with_the_place_of_the_part(temperature):
    combiner = dict(type='ReconstructionWeighted', temperature=temperature)
    with pytest.raises(ValueError, match=f'model.combiner: temperature should be above 0, got {temperature}'):
        MODELS.build(dict(config('mcmt'), combiner=combiner))
    cnm = config('cnm')
    with pytest.raises(ValueError, match='model.encoder: dropout probability has to be between 0 and 1, but got 2'):
        MODELS.build(dict(cnm, encoder=dict(cnm['encoder'], dropout=2)))


def test_order_of_the_tasks_in_the_config_does_not_matter():
    model = _build('mcmt').eval()
    other = config('mcmt')  # as MMEngine writes it into the work dir, sorted by name
    other['reconstructors'] = dict(sorted(other['reconstructors'].items()))
    reordered = MODELS.build(other).eval()
    reordered.load_state_dict(model.state_dict())
    inputs = model.data_preprocessor(dict(inputs=make_batch()), False)['inputs']
    torch.testing.assert_close(reordered(inputs).proposals.masks, model(inputs).proposals.masks)


@pytest.mark.parametrize('step, calls', [
    ('one', [True]), ('in turn', [True, True]), ('val', [False]), ('test', [False])])
def test_words_are_hidden_at_random_in_training_alone(step, calls, monkeypatch):
    model, seen = _build('cnm'), []
    forward = model.data_preprocessor.forward
    monkeypatch.setattr(model.data_preprocessor, 'forward',
                        lambda data, training=False: seen.append(training) or forward(data, training))
    data = dict(inputs=make_batch(), data_samples=_samples(3))
    adam = dict(optimizer=dict(type='Adam', lr=1e-3))
    if step in ('one', 'in turn'):
        wrapper = AlternatingConstructor(dict(
            reconstruction=adam, ranking=dict(adam, modules=['proposal_generator.head'])))(model)
        model.train_step(dict(inputs=data['inputs']), wrapper if step == 'in turn' else wrapper['reconstruction'])
    else:
        assert len(getattr(model.eval(), f'{step}_step')(data)) == 3
    assert seen == calls


@pytest.mark.parametrize('hide_one_in, hidden', [(3, [1, 1, 1]), (2, [2, 1, 2]), (1, [5, 3, 4])])
def test_share_of_hidden_words_is_that_of_the_config(hide_one_in, hidden):
    model = _build('cnm', data_preprocessor=dict(type='MomentDataPreprocessor', hide_one_in=hide_one_in))
    for training in (True, False):
        query = model.data_preprocessor(dict(inputs=make_batch()), training)['inputs'].query
        assert query.hidden.sum(dim=1).tolist() == hidden


class _Opposed(torch.nn.Module):
    """Ranks by how much worse a negative explains the query than a candidate does."""
    negatives = ('left',)

    def forward(self, outputs):
        nll = outputs.nll['query']
        assert set(nll) == {'positive', 'left'}
        return nll['left'] - nll['positive']


def test_ranker_gets_the_negatives_that_it_names_of_all_candidates():
    model = _build('cpl', ranker=_Opposed())
    for sample in _predict(model, make_batch()):
        assert sample.pred_scores.unique().numel() == 4


def test_what_a_combiner_has_asked_is_not_reconstructed_again():
    model, asked = _build('mcmt'), {}
    for task, part in model.reconstructors.items():
        part.register_forward_hook(lambda _, inputs, nll, task=task: asked.setdefault(task, []).append(nll.size(1)))
    _predict(model, make_batch())
    assert asked == dict(query=[1], inverse=[1 + 3])  # the combiner knows how the three components explain the query


@pytest.mark.parametrize('takes_common, shape', [(True, (7, 10)), (False, (3, 7, 10))])
def test_masks_that_a_combiner_has_for_all_pairs_reach_the_reconstructor_as_it_takes_them(takes_common, shape):
    model, asked = _build('cpl', combiner=dict(type='KeepDeleteScan', window=1.2), ranker=dict(type='ScoreRanker')), []
    part = model.reconstructors['query']
    assert part.common_masks
    part.common_masks, explain = takes_common, part.explain
    part.explain = lambda video, query, masks: (asked.append(tuple(masks.shape)), explain(video, query, masks))[1]
    _predict(model, make_batch())
    assert asked == [shape]


def test_combiner_needs_a_reconstructor_of_the_query():
    with pytest.raises(ValueError, match='A combiner asks the reconstructor named "query", but the model has'):
        _build('mcmt', losses={}, reconstructors=dict(text=config('mcmt')['reconstructors']['query']))


def test_transformers_are_tied_only_on_request():
    tied, untied = _build('cnm'), _build('cnm', tie_transformers=False)
    assert tied.reconstructors['query'].transformer is tied.proposal_generator.transformer
    assert untied.reconstructors['query'].transformer is not untied.proposal_generator.transformer


def test_transformers_that_are_described_as_two_different_ones_are_not_tied():
    query = config('cnm')['reconstructors']['query']
    other = dict(query, transformer=dict(query['transformer'], num_layers=1))
    with pytest.raises(ValueError, match='gives MaskedQueryReconstructor the transformer of GaussianProposalGenerator'):
        _build('cnm', reconstructors=dict(query=other))


def test_mode_says_what_is_given():
    model, samples = _build('cnm').eval(), _samples(3)
    data = model.data_preprocessor(dict(inputs=make_batch(), data_samples=samples), False)
    assert set(model(**data, mode='loss')) == {'loss_reconstruction', 'loss_ranking'}
    assert set(model(**data, mode='loss', losses=['ranking'])) == {'loss_ranking'}
    assert set(model(**data).nll['query']) == {'positive', 'easy', 'hard'}
    assert model(**data, mode='predict') == samples and samples[0].pred_spans.shape == (1, 2)
    with pytest.raises(ValueError, match="mode must be 'loss', 'predict' or 'tensor', got 'train'"):
        model(**data, mode='train')


def test_model_begins_with_the_weights_that_its_config_names(tmp_path):
    trained = _build('cnm').state_dict()
    torch.save(dict(state_dict={name: value + 1 for name, value in trained.items()}), tmp_path / 'trained.pth')
    model = _build('cnm', init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth')))
    model.init_weights()
    assert all(torch.equal(value, trained[name] + 1) for name, value in model.state_dict().items())


def test_advisers_begin_with_the_weights_that_the_config_names(tmp_path):
    trained = _build('mscl').state_dict()
    torch.save(dict(state_dict={name: value + 1 for name, value in trained.items()}), tmp_path / 'trained.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'trained.pth'))
    model = _build('cpl', advisers=dict(frames=dict(config('mscl'), init_cfg=init_cfg)))
    model.init_weights()
    assert all(torch.equal(value, trained[name] + 1) for name, value in model.advisers['frames'].state_dict().items())


def test_unknown_negative_in_a_loss_is_named():
    broken = config('cnm')
    broken['losses']['ranking']['margins'] = dict(esay=0.1)
    with pytest.raises(ValueError, match=r"losses.ranking .RankingLoss. needs the negatives \['esay'\].*'easy'"):
        MODELS.build(broken)


def test_encoder_that_reads_the_query_may_not_feed_a_reconstructor(monkeypatch):
    from mmvmr.models.encoders.linear import LinearEncoder
    monkeypatch.setattr(LinearEncoder, 'reads_query', True)
    with pytest.raises(ValueError, match='tell the reconstructors the hidden words'):
        _build('cnm')


def test_typo_in_a_type_names_the_closest_part():
    broken = config('cnm')
    broken['proposal_generator']['type'] = 'GausianProposalGenerator'
    with pytest.raises(KeyError, match='Did you mean GaussianProposalGenerator'):
        MODELS.build(broken)


def test_configs_are_left_as_they_were():
    before = copy.deepcopy(config('mcmt'))
    given = config('mcmt')
    MODELS.build(given)
    assert given == before
