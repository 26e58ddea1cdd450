import pytest

from mmvmr.evaluation.protocols import Protocol, find_protocol


def test_each_benchmark_has_its_customary_thresholds():
    assert find_protocol('charades_sta/filtered') == Protocol('charades_sta/filtered', (1, 5), (0.3, 0.5, 0.7))
    assert find_protocol('activitynet_captions/val_2').ious == (0.1, 0.3, 0.5, 0.7)
    assert find_protocol('moving_shapes/medium').ious == (0.3, 0.5, 0.7)


def test_only_the_protocol_of_2d_tan_needs_more_than_the_threshold():
    assert find_protocol('tacos/2d_tan').strict
    assert find_protocol('tacos/2d_tan (subset)').strict
    assert not find_protocol('tacos/other').strict
    assert not find_protocol('charades_sta/official').strict


def test_pairs_that_were_divided_anew_count_as_their_parents_and_say_in_what_they_differ():
    assert find_protocol('activitynet_captions/cg_novel_word').ious == (0.1, 0.3, 0.5, 0.7)
    assert 'elsewhere' in find_protocol('charades_sta/cd_test_ood (subset)').shift
    assert 'word' in find_protocol('charades_sta/cg_novel_word').shift
    for parent in ('charades_sta', 'activitynet_captions'):  # as their paper reports both
        assert find_protocol(f'{parent}/cd_test_iid').discounted and find_protocol(f'{parent}/cd_test_ood').discounted
    assert not find_protocol('charades_sta/cg_novel_word').discounted
    assert not find_protocol('charades_sta/cd_test_iid').shift and not find_protocol('charades_sta/official').shift


def test_data_of_your_own_gets_a_default():
    assert find_protocol('custom (mine)') == Protocol('custom (mine)')


def test_given_parts_replace_what_is_customary():
    protocol = find_protocol('tacos/2d_tan', tops=[10, 1, 1], ious=[0.5], strict=False, nms=0.4)
    assert protocol == Protocol('tacos/2d_tan', (1, 10), (0.5,), False, 0.4)
    assert protocol.keys() == ('R@1,IoU=0.5', 'R@10,IoU=0.5')


@pytest.mark.parametrize('given, message', [
    (dict(tops=[0]), 'n of R@n must be 1 or more'), (dict(tops=[1.5]), 'n of R@n must be 1 or more'),
    (dict(ious=[50]), 'such as 0.5'), (dict(ious=[0.0]), 'such as 0.5'), (dict(nms=-1), r'must lie in \[0, 1\]')])
def test_parts_that_make_no_sense_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        find_protocol('charades_sta/filtered', **given)
