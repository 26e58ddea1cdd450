import pytest
import torch

from mmvmr.functional.masks import gaussian_mask
from mmvmr.models.layers.attention import Attention, mask_bias
from mmvmr.models.layers.dual_transformer import DualTransformer


def _weighted_by_hand(attention, x, weights, causal):
    """softmax, times the mask, renormalised, head by head: CNM's definition."""
    dim, heads = x.size(-1), attention.num_heads
    q, k, v = torch.nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
    out = []
    for h in range(heads):
        part = slice(h * dim // heads, (h + 1) * dim // heads)
        logits = q[:, part] @ k[:, part].T / (dim // heads)**0.5
        if causal:
            logits = logits.masked_fill(torch.ones_like(logits).triu(1).bool(), -torch.inf)
        share = logits.softmax(-1) * (weights + 1e-10)
        out.append(share / share.sum(-1, keepdim=True) @ v[:, part])
    return attention.out_proj(torch.cat(out, dim=-1))


@pytest.mark.parametrize('causal', [True, False])
def test_bias_equals_multiplying_by_the_mask_and_renormalising(causal):
    torch.manual_seed(0)
    attention, x, masks = Attention(8, 2), torch.randn(2, 5, 8), torch.rand(2, 3, 5)
    masks[0, 1, 2] = 0
    out = attention(x.unsqueeze(1), bias=mask_bias(masks), causal=causal)
    assert out.shape == (2, 3, 5, 8)
    for b in range(2):
        for m in range(3):
            torch.testing.assert_close(out[b, m], _weighted_by_hand(attention, x[b], masks[b, m], causal))


def test_whole_video_mask_changes_nothing():
    attention, x = Attention(8, 2), torch.randn(2, 1, 5, 8)
    whole = mask_bias(torch.ones(2, 1, 5))
    torch.testing.assert_close(attention(x, bias=whole, causal=True), attention(x, causal=True))


def test_heads_must_divide_the_dim():
    with pytest.raises(ValueError, match='num_heads=3'):
        Attention(8, 3)


def test_earlier_clips_do_not_depend_on_later_ones():
    torch.manual_seed(0)
    model = DualTransformer(16, 2, 2).eval()
    words, masks = torch.randn(1, 4, 16), torch.ones(1, 1, 6)
    video = torch.randn(1, 6, 16)
    changed = video.clone()
    changed[:, -1] += 1
    masks[..., -1] = 0  # the words cannot see the last clip
    torch.testing.assert_close(model.reconstruct(video, words, masks), model.reconstruct(changed, words, masks))


COMMON = torch.stack([
    gaussian_mask(torch.tensor([place]), torch.tensor([0.02]), 24, peak_normalized=True)[0] for place in (0.0, 0.4, 1.0)
] + [torch.ones(24), torch.zeros(24), torch.full((24,), 0.5)])
COMMON = torch.cat([1 - COMMON[:3], COMMON])


def _computed(model, masks):
    """States, and for how many clips the first layer computed them."""
    rows = []
    handle = model.video_layers[0].norm.register_forward_hook(lambda layer, inputs, out: rows.append(out.shape[1:3]))
    torch.manual_seed(1)
    states = model.reconstruct(torch.randn(3, masks.size(-1), 16), torch.randn(3, 4, 16), masks)
    handle.remove()
    return states, sum(num_masks * clips for num_masks, clips in rows)


def test_masks_in_common_give_the_same_with_less_work():
    torch.manual_seed(0)
    model = DualTransformer(16, 2, 2).eval()
    expected, clips = _computed(model, COMMON.expand(3, -1, -1))
    states, fewer = _computed(model, COMMON)
    torch.testing.assert_close(states, expected)
    assert clips == 9 * 24 and fewer < clips * 0.9
    one = _computed(model, COMMON[:, :1])[0]  # a single clip
    torch.testing.assert_close(one, _computed(model, COMMON[:, :1].expand(3, -1, -1))[0])


def test_masks_in_common_are_as_others_in_training():
    torch.manual_seed(0)
    model = DualTransformer(16, 2, 2, dropout=0.5)
    torch.testing.assert_close(_computed(model, COMMON), _computed(model, COMMON.expand(3, -1, -1)), rtol=0, atol=0)


def test_scan_of_narrow_windows_computes_half_of_the_clips():
    model = DualTransformer(16, 2, 2).eval()
    places = torch.linspace(0, 1, 24)
    windows = gaussian_mask(places, torch.full_like(places, 0.005), 24, peak_normalized=True)
    assert _computed(model, 1 - windows)[1] < 0.7 * windows.numel()
    assert _computed(model, windows)[1] < 0.3 * windows.numel()


def test_words_beyond_the_query_do_not_matter():
    torch.manual_seed(0)
    model = DualTransformer(16, 2, 2).eval()
    video, words = torch.randn(1, 6, 16), torch.randn(1, 5, 16)
    mask = torch.tensor([[True, True, True, False, False]])
    changed = words.clone()
    changed[:, 3:] += 1
    torch.testing.assert_close(model.locate(video, words, mask), model.locate(video, changed, mask))


def test_reading_the_last_position_equals_running_the_whole_stack():
    torch.manual_seed(0)
    model = DualTransformer(16, 2, 3).eval()
    video, words, mask = torch.randn(2, 6, 16), torch.randn(2, 3, 16), torch.ones(2, 3, dtype=torch.bool)
    memory, clips = words.unsqueeze(1), video.unsqueeze(1)
    for layer in model.word_layers:
        memory = layer(memory)
    for layer in model.video_layers:
        clips = layer(clips, memory=memory)
    torch.testing.assert_close(model.locate(video, words, mask), clips[:, 0, -1])


def test_readout_token_sees_all_clips_but_not_itself_and_is_seen_by_none():
    torch.manual_seed(0)
    model = DualTransformer(16, 2, 2).eval()
    video, words, mask = torch.randn(1, 4, 16), torch.randn(1, 3, 16), torch.ones(1, 3, dtype=torch.bool)
    readout = torch.randn(1, 1, 16)
    memory, clips = words.unsqueeze(1), torch.cat([video, readout], dim=1).unsqueeze(1)
    for layer in model.word_layers:
        memory = layer(memory)
    keep = torch.tensor([True] * 4 + [False]).view(1, 1, 1, 1, 5)
    for layer in model.video_layers:
        clips = layer(clips, bias=keep, memory=memory)
    torch.testing.assert_close(model.locate(video, words, mask, readout), clips[:, 0, -1])


def test_masks_can_be_permuted():
    torch.manual_seed(0)
    model = DualTransformer(16, 2, 2).eval()
    video, words, masks = torch.randn(2, 6, 16), torch.randn(2, 4, 16), torch.rand(2, 3, 6)
    order = [2, 0, 1]
    torch.testing.assert_close(model.reconstruct(video, words, masks)[:, order],
                               model.reconstruct(video, words, masks[:, order]))


def test_transformer_for_one_role_leaves_out_what_only_the_other_needs():
    torch.manual_seed(0)
    both, masks = DualTransformer(16, 2, 2).eval(), torch.rand(1, 1, 6)
    video, words = torch.randn(1, 6, 16), torch.randn(1, 4, 16)
    calls = dict(locate=lambda model: model.locate(video, words, torch.ones(1, 4, dtype=torch.bool)),
                 reconstruct=lambda model: model.reconstruct(video, words, masks))
    for role, other in (('locate', 'reconstruct'), ('reconstruct', 'locate')):
        one = DualTransformer(16, 2, 2, roles=[role]).eval()
        one.load_state_dict({name: both.state_dict()[name] for name in one.state_dict()})
        result = calls[role](one)
        torch.testing.assert_close(result, calls[role](both))
        result.sum().backward()
        assert all(p.grad is not None for p in one.parameters())
        with pytest.raises(ValueError, match=f"asked to {other}, but was built for the roles .'{role}'"):
            calls[other](one)
