"""The yardstick itself, against facts that can be computed by hand."""
import math

import pytest
import torch
from reference.batches import make_inputs
from reference.checkpoint import make_config, make_weights
from reference.network import attend, layer_norm, nll, position_code, project_words, reconstruct, valid_words

WEIGHTS = {'a.in_proj_weight': torch.randn(12, 4, generator=torch.Generator().manual_seed(0)),
           'a.in_proj_bias': torch.arange(12.0) / 10,
           'a.out_proj.weight': torch.eye(4),
           'a.out_proj.bias': torch.ones(4)}
EVERYWHERE = torch.ones(1, 3, 5, dtype=torch.bool)


def test_attention_without_gate_is_pytorchs():
    torch.manual_seed(0)
    x, memory = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    theirs = torch.nn.MultiheadAttention(4, 2, batch_first=True)
    theirs.load_state_dict({name[2:]: value for name, value in WEIGHTS.items()})
    expected = theirs(x, memory, memory, need_weights=False)[0]
    torch.testing.assert_close(attend(WEIGHTS, 'a', x, memory, 2, EVERYWHERE), expected)


def test_gate_that_is_open_at_one_key_gives_the_value_of_that_key():
    torch.manual_seed(0)
    x, memory = torch.randn(1, 3, 4), torch.randn(1, 5, 4)
    gate = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]])
    value = memory[:, 2:3] @ WEIGHTS['a.in_proj_weight'][8:].T + torch.tensor([0.8, 0.9, 1.0, 1.1])
    out = attend(WEIGHTS, 'a', x, memory, 2, EVERYWHERE, gate)
    torch.testing.assert_close(out, value.expand(-1, 3, -1) + 1, atol=1e-5, rtol=0)


def test_gate_of_equal_numbers_changes_nothing():
    x = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(1))
    square = EVERYWHERE[:, :, :3]
    torch.testing.assert_close(attend(WEIGHTS, 'a', x, x, 2, square, torch.full((1, 3), 0.3)),
                               attend(WEIGHTS, 'a', x, x, 2, square))


def test_layer_norm_of_two_numbers():
    weights = {'n.weight': torch.tensor([2.0, 3.0]), 'n.bias': torch.tensor([0.0, 1.0])}
    out = layer_norm(weights, 'n', torch.tensor([1.0, 5.0]))  # (x - 3) / 2 = -1, 1
    torch.testing.assert_close(out, torch.tensor([-2.0, 4.0]), atol=1e-4, rtol=0)


def test_position_code_has_sines_then_cosines_and_nothing_for_the_start():
    one = [math.sin(1), math.sin(1e-4), math.cos(1), math.cos(1e-4)]  # frequencies 1 and 1 / 10000
    torch.testing.assert_close(position_code(2, 4), torch.tensor([[0.0] * 4, one]))


def test_nll_by_hand_and_the_end_of_a_shorter_query():
    log_probs = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]).log().expand(2, 2, 3)
    means = [(math.log(0.5) + 2 * math.log(0.25)) / 3, (2 * math.log(0.2) + math.log(0.6)) / 3]
    both = [-0.9 * math.log(p) - 0.1 * mean for p, mean in zip((0.5, 0.6), means)]
    end = -0.9 * math.log(0.2) - 0.1 * means[1]  # class 0 after the only word
    scores = nll(log_probs, torch.tensor([[0, 2], [0, 0]]), torch.tensor([2, 1]))
    torch.testing.assert_close(scores, torch.tensor([sum(both) / 2, (both[0] + end) / 2]))
    assert valid_words(torch.tensor([2, 1]), 2).tolist() == [[True, True], [True, True]]
    assert valid_words(torch.tensor([3, 1]), 3).tolist() == [[True] * 3, [True, True, False]]


@pytest.fixture
def reconstruction():
    config = make_config('cnm')
    weights, inputs = make_weights(config), make_inputs(config)
    clips = torch.randn(4, 5, 16, generator=torch.Generator().manual_seed(2))

    def run(inputs, gate=None, clips=clips):
        words = project_words(weights, inputs.words)
        settings = config['model']['config']['DualTransformer']
        return reconstruct(weights, settings, 'fc_rec', clips, words, inputs, gate)

    return run, inputs, clips


def test_a_word_is_predicted_from_the_words_before_it_alone(reconstruction):
    run, inputs, _ = reconstruction
    words, hidden = inputs.words.clone(), torch.zeros_like(inputs.hidden)
    words[:, 4] += 1  # w_4 is an input of predictions 5, 6, ...
    before, after = run(inputs._replace(hidden=hidden)), run(inputs._replace(words=words, hidden=hidden))
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[3, 4] - after[3, 4]).abs().max() > 1e-3


def test_a_hidden_word_and_the_placeholder_of_the_start_do_not_matter(reconstruction):
    run, inputs, _ = reconstruction
    hidden = torch.zeros_like(inputs.hidden)
    hidden[:, 1] = True  # w_2
    words = inputs.words.clone()
    words[:, [0, 2]] += 1
    torch.testing.assert_close(run(inputs._replace(hidden=hidden)), run(inputs._replace(hidden=hidden, words=words)))


def test_clips_behind_a_closed_gate_do_not_matter(reconstruction):
    run, inputs, clips = reconstruction
    gate = torch.tensor([1.0, 0.5, 0.0, 1.0, 0.0]).expand(4, -1)
    changed = clips.clone()
    changed[:, [2, 4]] += 1
    torch.testing.assert_close(run(inputs, gate), run(inputs, gate, changed), atol=1e-6, rtol=1e-5)
    assert (run(inputs) - run(inputs, None, changed)).abs().max() > 1e-2
