"""Methods side by side: two methods, two seeds, four queries about two videos, worked out by hand."""
from pathlib import Path

import numpy as np
import pytest

from mmvmr.reproduction.comparison import (
    by_benchmark,
    compare,
    name_methods,
    names_by_path,
    read_method,
    short_names,
)
from mmvmr.reproduction.comparison_report import sections, to_frame, to_html, to_latex, to_markdown, to_text
from mmvmr.reproduction.seed_plot import draw_seeds


@pytest.fixture
def comparison(method):
    """``good`` answers with IoU 1 or 0.6, five candidates; ``bad`` with IoU 0.4, or 0.6 once."""
    bad = method('bad', (4.0, 4.0, 4.0, 4.0), (4.0, 4.0, 4.0, 6.0))
    good = method('good', (10.0, 10.0, 6.0, 6.0), (10.0, 6.0, 6.0, 6.0), candidates=5)
    return compare([bad, good], 'bad')


def test_mean_and_spread_are_those_over_the_seeds(comparison):
    table = comparison.table
    assert list(table.index) == ['good', 'bad']  # best first
    assert table.loc['good', ('mean', 'mIoU')] == pytest.approx((80 + 70) / 2)
    assert table.loc['good', ('std', 'mIoU')] == pytest.approx(10 / 2**0.5)
    assert table.loc['bad', ('mean', 'R@1,IoU=0.5')] == pytest.approx((0 + 25) / 2)
    assert table.loc['good', ('mean', 'R@1,IoU=0.7')] == pytest.approx((50 + 25) / 2)
    assert table.loc['good', ('cost', 'seconds')] == 110


def test_lift_is_over_the_best_blind_predictor(comparison):
    # the whole video has IoU 10 / 20, as no other blind predictor has in the mean
    assert comparison.table.loc['good', ('lift', 'mIoU')] == pytest.approx(75 - 50)
    assert comparison.table.loc['bad', ('lift', 'R@1,IoU=0.5')] == pytest.approx(12.5 - 100)


def test_only_methods_with_several_candidates_have_several_tries(comparison):
    assert comparison.table.loc['good', ('mean', 'R@5,IoU=0.5')] == 100
    assert np.isnan(comparison.table.loc['bad', ('mean', 'R@5,IoU=0.5')])
    assert list(comparison.panel.columns) == list(comparison.table['mean'].columns)


def test_differences_are_tested_by_video_on_means_over_the_seeds(comparison):
    table = comparison.table
    assert comparison.others == ['good', 'bad']
    assert table.loc['bad', ('minus good', 'mIoU')] == pytest.approx(42.5 - 75)
    # both videos differ in the same direction: 2 of the 4 choices of signs give a difference as large
    assert table.loc['bad', ('p against good', 'mIoU')] == table.loc['good', ('p against bad', 'mIoU')] == 0.5
    assert np.isnan(table.loc['good', ('p against good', 'mIoU')])


def test_more_videos_make_a_difference_certain(method):
    ends = [5.0, 6.0] * 20
    bad, good = method('bad', ends), method('good', [end + 1 for end in ends])
    assert compare([bad, good]).table.loc['bad', ('p against good', 'mIoU')] == pytest.approx(0.001)


def test_text_and_markdown_say_the_same(comparison):
    markdown, text = to_markdown(sections(comparison)), to_text(sections(comparison))
    assert '## custom: 4 queries, 2 videos' in markdown and ' custom: 4 queries, 2 videos ' in text
    row = next(line for line in markdown.splitlines() if line.startswith('| good | 2 |'))
    assert row == ('| good | 2 | 100.00 ± 0.00 | 100.00 ± 0.00 | 37.50 ± 17.68 | 100.00 ± 0.00 | 100.00 ± 0.00 '
                   '| 37.50 ± 17.68 | 75.00 ± 7.07 |')
    assert '| bad | 2 | 100.00 ± 0.00 | 12.50 ± 17.68 | 0.00 ± 0.00 |  |  |  | 42.50 ± 3.54 |' in markdown
    assert '| good |  | 100.00 ± 0.00 | 75.00 ± 7.07 | +0.00 | +25.00 |' in markdown
    assert '| good | shuffle-query | 5.00 ± 7.07 | 5.00 ± 7.07 | -95.00 | -45.00 |' in markdown
    assert '| bad | -87.50 (p = 0.500) | -32.50 (p = 0.500) |  |  |' in markdown
    assert '| good | 1,234,567 | 110 ± 14 | 90 ± 0 | 500 ± 0 |' in markdown
    assert 'mmvmr 0.1, on abacus.' in markdown

    def cells(lines):
        return [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines
                if line.startswith('|') and not line.startswith('|---')]

    assert cells(markdown.replace(r'\*', '*').splitlines()) == cells(text.splitlines())


def test_frame_has_all_numbers(comparison):
    frame = to_frame(comparison)
    assert frame.loc['good', 'mIoU'] == 75 and frame.loc['good', 'mIoU std'] == pytest.approx(7.0711)
    assert frame.loc['bad', 'mIoU p against good'] == 0.5 and frame.loc['bad', 'seeds'] == 2
    assert frame.loc['blind: whole video', 'mIoU'] == 50
    assert frame.columns.is_unique


def test_one_seed_has_no_spread_and_one_method_no_differences(method):
    markdown = to_markdown(sections(compare([method('only', (10.0, 10.0))])))
    assert '| only | 1 | 100.00 | 100.00 | 100.00 | 100.00 |' in markdown
    assert 'Differences' not in markdown and '±' not in markdown.replace('mean ± standard', '')


def test_lift_under_a_probe_that_moves_moments_is_over_the_blind_of_the_moved(method):
    comparison = compare([method('one', (4.0, 4.0), (4.0, 4.0), probes=('shuffle-query', 'shift'))])
    assert comparison.panels['shuffle-query'] is comparison.panel
    assert comparison.panels['shift'].loc['whole video', 'mIoU'] == 25
    best = comparison.panels['shift']['mIoU'].max()
    assert comparison.table.loc['one', ('shift lift', 'mIoU')] == pytest.approx(5 - best)
    assert comparison.table.loc['one', ('shuffle-query lift', 'mIoU')] == pytest.approx(5 - 50)


def test_methods_of_several_protocols_do_not_stand_side_by_side(method):
    one, two = method('one', (1.0,)), method('two', (1.0,), protocol='tacos/2d_tan')
    three = method('three', (1.0,), candidates=5)
    planted = method('planted', (1.0,), protocol='custom (planted features)')
    groups = by_benchmark([one, two, three, planted])
    assert [[member.name for member in group] for group in groups] == [['one', 'three'], ['two'], ['planted']]


def test_data_of_ones_own_whose_files_are_called_the_same_are_benchmarks_of_their_own(method):
    own = dict(protocol='custom (test)')
    one, two = method('cnm@a', (1.0,), **own), method('cnm@b', (1.0, ), query='she stands', **own)
    three, four = method('cpl@a', (2.0,), **own), method('mine', (3.0,), query='she runs', **own)
    groups = by_benchmark([one, two, three, four])
    assert [[member.name for member in group] for group in groups] == [['cnm@a', 'cpl@a'], ['cnm@b'], ['mine']]
    assert [compare(group).protocol.name for group in groups] == [
        'custom (test) of a', 'custom (test) of b', 'custom (test) of mine']
    assert by_benchmark([one, three])[0][0].protocol.name == 'custom (test)', 'nothing to tell apart'


def test_predictions_that_are_not_those_of_the_result_are_refused(method, tmp_path):
    method('one', (1.0, 4.0, 5.0))
    path = tmp_path / 'one' / '0' / 'predictions.jsonl'
    path.write_text(path.read_text().rpartition('{')[0])
    with pytest.raises(ValueError, match='do not have the scores of its result.json.* Delete predictions.jsonl there'):
        read_method('one', [path.parent], {}, [])


def test_protocols_that_test_on_the_same_pairs_are_one_benchmark(method):
    trained = method('cpl_qvhighlights', (1.0,), protocol='qvhighlights_captions/rewrites')
    untrained = method('otsu_qvhighlights', (2.0,), protocol='qvhighlights_captions/val')
    other = method('other_qvhighlights', (2.0,), protocol='qvhighlights_captions/test', query='she stands')
    (one, two), (third,) = by_benchmark([trained, untrained, other])
    assert (one.name, two.name, third.name) == (trained.name, untrained.name, other.name)
    assert compare([one, two]).protocol.name == 'qvhighlights_captions/rewrites, val'


@pytest.mark.parametrize('configs, protocol, names', [
    (['cpl_moving_shapes', 'mscl_moving_shapes'], 'moving_shapes/medium', ['cpl', 'mscl']),
    (['cpl_moving_shapes'], 'moving_shapes/hard', ['cpl']),
    (['cpl_moving_shapes@hard'], 'moving_shapes/hard', ['cpl']),
    (['cpl_charades', 'mine'], 'charades_sta/filtered', ['cpl', 'mine']),
    (['cpl_charades', 'cpl_charades@small'], 'charades_sta/filtered', ['cpl_charades', 'cpl_charades@small']),
    (['one_tiny', 'two_tiny'], 'custom', ['one', 'two'])])
def test_methods_are_named_without_their_benchmark(method, configs, protocol, names):
    named = name_methods([method(config, (1.0,), protocol=protocol) for config in configs], configs)
    assert [one.name for one in named] == names


def test_different_queries_are_refused(method):
    one, two = method('one', (1.0,)), method('two', (1.0,), query='she stands')
    with pytest.raises(ValueError, match='different queries'):
        by_benchmark([one, two])
    with pytest.raises(ValueError, match='different queries'):
        compare([one, two])


def test_paper_gets_a_table_without_packages_and_the_browser_a_page_of_its_own(comparison):
    first = next(sections(comparison))
    latex, page = to_latex(first._replace(title='a_b')), to_html([first], b'PNG')
    assert latex.startswith('\\providecommand{\\toprule}{\\hline}') and 'usepackage' not in latex
    assert r'75.00 $\pm$ 7.07 \\' in latex
    assert '<td>good</td>' in page and 'src="data:image/png;base64,UE5H"' in page
    assert '<script' not in page and 'http' not in page


@pytest.mark.parametrize('names, short', [
    (['cnm_moving_shapes', 'mmvmr_best_moving_shapes'], ['cnm', 'mmvmr_best']),
    (['cnm_charades', 'cnm_tacos'], ['cnm_charades', 'cnm_tacos']),
    (['one', 'none'], ['one', 'none']),
    (['cnm_moving_shapes'], ['cnm_moving_shapes'])])
def test_names_lose_the_ending_that_all_have(names, short):
    assert short_names(names) == short


def test_plot_shows_every_method_and_seed(comparison):
    figure = draw_seeds([comparison])
    recall, overlap = figure.axes
    assert [label.get_text() for label in recall.get_yticklabels()] == ['good', 'bad']
    seeds = overlap.collections[0].get_offsets()
    assert sorted(seeds[:, 0].round(2).tolist()) == [40, 45, 70, 80]
    assert [text.get_text() for text in overlap.texts] == ['75.0', '42.5']
    blind = overlap.lines[0].get_xdata()
    assert list(blind) == [50, 50]


@pytest.mark.parametrize('paths, names', [
    (['r/cnm_x/seed_0/predictions.jsonl', 'r/cnm_x/seed_1/predictions.jsonl', 'r/cpl_x/seed_0/predictions.jsonl'],
     ['cnm', 'cnm', 'cpl']),
    (['work_dirs/mine/predictions.jsonl', 'other/one/predictions.jsonl'], ['work_dirs/mine', 'other/one']),
    (['r/mcmt_x/predictions.jsonl'], ['mcmt_x']), (['r/mcmt_x/seed_0/train'], ['mcmt_x']),
    (['r/a', 'r/a/b'], ['a', 'b']), (['r/a/epoch_1.jsonl', 'r/a/epoch_2.jsonl'], ['epoch_1.jsonl', 'epoch_2.jsonl'])])
def test_methods_are_named_by_the_folders_in_which_they_differ(paths, names):
    assert names_by_path([Path(path) for path in paths]) == names
