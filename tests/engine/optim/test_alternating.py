import copy
from logging import INFO, WARNING

import pytest
import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DefaultScope
from parts import config, make_batch

from mmvmr.engine.optim.alternating import AlternatingConstructor
from mmvmr.models.train_step import only_trained_by
from mmvmr.registry import MODELS

ADAM = dict(optimizer=dict(type='Adam', lr=1e-2))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(config('cnm'))


def _build(model, **changes):
    entries = dict(reconstruction=dict(ADAM), ranking=dict(ADAM, modules=['proposal_generator.head']))
    return AlternatingConstructor(dict(entries, **changes))(model)


def test_each_parameter_belongs_to_exactly_one_optimizer(model):
    wrappers = _build(model)
    groups = [{id(p) for group in wrappers[name].param_groups for p in group['params']}
              for name in ('reconstruction', 'ranking')]
    assert groups[0].isdisjoint(groups[1])
    assert groups[0] | groups[1] == {id(p) for p in model.parameters()}
    assert groups[1] == {id(p) for p in model.proposal_generator.head.parameters()}


@pytest.mark.parametrize('tied', [True, False])
@pytest.mark.parametrize('in_turn', [True, False])
def test_weights_with_settings_of_their_own_are_taken_once_without_a_word(tied, in_turn, monkeypatch):
    warnings = []
    monkeypatch.setattr('mmengine.optim.optimizer.default_constructor.print_log', lambda text, logger, level=INFO: (
        warnings.append(text) if level >= WARNING else None))
    model = MODELS.build(dict(config('cnm'), tie_transformers=tied))
    scaled = dict(custom_keys=dict(encoder=dict(lr_mult=0.1)))
    with DefaultScope.overwrite_default_scope('mmvmr'):
        if in_turn:
            entries = dict(reconstruction=dict(ADAM), ranking=dict(ADAM, modules=['proposal_generator.head']))
            wrappers = AlternatingConstructor(entries, scaled)(model).values()
        else:
            wrappers = [build_optim_wrapper(model, dict(ADAM, paramwise_cfg=scaled))]
    groups = [group for wrapper in wrappers for group in wrapper.optimizer.param_groups]
    taken = [id(parameter) for group in groups for parameter in group['params']]
    assert sorted(taken) == sorted(id(parameter) for parameter in model.parameters())
    encoder = {id(parameter) for parameter in model.encoder.parameters()}
    assert all(group['lr'] == pytest.approx(1e-3 if id(group['params'][0]) in encoder else 1e-2) for group in groups)
    assert warnings == []


def test_turns_do_not_depend_on_the_order_in_the_config(model):
    ranking = dict(ADAM, modules=['proposal_generator.head'])
    sorted_by_name = AlternatingConstructor(dict(ranking=ranking, reconstruction=dict(ADAM)))(model)
    assert list(sorted_by_name.keys()) == list(_build(model).keys()) == ['reconstruction', 'ranking']


def test_one_iteration_equals_two_steps_by_hand(model):
    model.eval()  # no dropout; the words are hidden anew for each step all the same
    reference, data = copy.deepcopy(model), dict(inputs=make_batch())
    torch.manual_seed(3)
    model.train_step(data, _build(model))

    torch.manual_seed(3)
    head = list(reference.proposal_generator.head.parameters())
    rest = [p for p in reference.parameters() if not any(p is h for h in head)]
    for loss, parameters in (('reconstruction', rest), ('ranking', head)):
        optimizer = torch.optim.Adam(parameters, lr=1e-2)
        inputs = reference.data_preprocessor(data, True)['inputs']
        reference.zero_grad()
        reference(inputs, mode='loss', losses=[loss])[f'loss_{loss}'].backward()
        optimizer.step()
    for (name, ours), theirs in zip(model.named_parameters(), reference.parameters()):
        torch.testing.assert_close(ours, theirs, msg=name)


def test_nothing_else_is_differentiated_while_one_optimizer_has_its_turn(model):
    wrappers = _build(model)
    inputs = model.data_preprocessor(dict(inputs=make_batch()), True)['inputs']
    with only_trained_by(wrappers['ranking'], model):
        model(inputs, mode='loss', losses=['ranking'])['loss_ranking'].backward()
    assert [name for name, p in model.named_parameters() if p.grad is not None] == [
        'proposal_generator.head.weight', 'proposal_generator.head.bias']
    assert all(p.requires_grad for p in model.parameters())


def test_log_names_each_loss_and_their_sum(model):
    log = model.train_step(dict(inputs=make_batch()), _build(model))
    assert set(log) == {'loss', 'loss_reconstruction', 'loss_ranking'}
    assert log['loss'].item() == pytest.approx(log['loss_reconstruction'].item() + log['loss_ranking'].item())
    assert not any(value.requires_grad for value in log.values())


def test_a_single_optimizer_minimises_the_sum(model):
    before = copy.deepcopy(model.state_dict())
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    log = model.train_step(dict(inputs=make_batch()), wrapper)
    assert log['loss'].item() == pytest.approx(log['loss_reconstruction'].item() + log['loss_ranking'].item())
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_unknown_loss_is_named(model):
    with pytest.raises(ValueError, match=r"minimise the losses \['rankin'\].*\['reconstruction', 'ranking'\]"):
        _build(model, ranking=dict(ADAM, losses=['rankin'], modules=['proposal_generator.head']))


def test_two_optimizers_for_all_the_rest_are_refused(model):
    with pytest.raises(ValueError, match='Exactly one optimizer may leave out `modules`'):
        _build(model, ranking=dict(ADAM))


def test_module_that_is_not_there_is_named_with_the_closest(model):
    with pytest.raises(ValueError, match=r'ranking.modules names "proposal_generator.heads".*Did you mean .*\.head'):
        _build(model, ranking=dict(ADAM, modules=['proposal_generator.heads']))
    with pytest.raises(ValueError, match='names "zzz".*Did you mean .*encoder or proposal_generator'):
        _build(model, ranking=dict(ADAM, modules=['zzz']))


@pytest.mark.parametrize('own', [False, True])
def test_settings_of_single_parameters_reach_the_optimizer_that_owns_them(model, own):
    """Of an entry they hold for it alone; beside the entries, for all that have none."""
    slow = dict(custom_keys={'encoder': dict(lr_mult=0.0), 'proposal_generator': dict(lr_mult=0.5)})
    ranking = dict(ADAM, modules=['proposal_generator.head'])
    entries = dict(reconstruction=dict(ADAM, paramwise_cfg=slow), ranking=ranking) if own else dict(
        reconstruction=dict(ADAM), ranking=ranking)
    wrappers = AlternatingConstructor(entries, None if own else slow)(model)
    rates = {id(parameter): group['lr'] for wrapper in wrappers.values() for group in wrapper.optimizer.param_groups
             for parameter in group['params']}
    assert {rates[id(parameter)] for parameter in model.encoder.parameters()} == {0.0}
    assert {rates[id(parameter)] for parameter in model.proposal_generator.head.parameters()} == {1e-2 if own else 5e-3}
    assert {rates[id(parameter)] for parameter in model.reconstructors.query.classifier.parameters()} == {1e-2}
    assert len(rates) == len(list(model.parameters()))
