"""One table over benchmarks: methods of two of them, worked out by hand."""
import pytest

from mmvmr.evaluation.human_moments import HumanLine
from mmvmr.reproduction.comparison import compare
from mmvmr.reproduction.reported import reported_scores
from mmvmr.reproduction.summary import Benchmark, summarize_benchmarks


@pytest.fixture
def sections(method):
    """On ``one``, cpl answers with IoU 0.8 and 0.6, cnm with 0.4; on ``two``, cpl alone, and people."""
    cpl, cnm = method('cpl', (8.0,) * 4, (6.0,) * 4), method('cnm', (4.0,) * 4, (4.0,) * 4)
    first = compare([cnm, cpl], 'cnm')
    second = compare([method('again', (5.0,), protocol='two', probes=('shift',))._replace(name='cpl')])
    return {section.title: section for section in summarize_benchmarks([
        Benchmark(first, dict(cpl={'R@1,IoU=0.5': 90.0})),
        Benchmark(second, {}, HumanLine({'R@1,IoU=0.5': 100.0, 'mIoU': 77.0}, 1))])}


def _rows(section):
    return {row[0]: row[1:] for row in section.rows}


def test_every_benchmark_has_its_columns(sections):
    table = sections['All benchmarks']
    assert table.rows[0] == ['', *(f'{name} {metric}' for name in ('custom', 'two')
                                   for metric in ('R@1,IoU=0.5', 'mIoU', 'CPU s'))]
    rows = _rows(table)
    assert rows['cpl'] == ['100.00 ± 0.00', '70.00 ± 14.14', '90 ± 0', '100.00', '50.00', '90']
    assert rows['cnm'] == ['0.00 ± 0.00', '40.00 ± 0.00', '90 ± 0', '', '', '']
    assert rows['best blind'] == ['100.00', '50.00', '', '100.00', '50.00', '']


def test_people_papers_and_probes_have_rows_where_there_are_some(sections):
    table = sections['All benchmarks']
    rows = _rows(table)
    assert rows['people'] == ['', '', '', '100.00', '77.00', ''] and '1 of 1 queries of two' in table.notes[1]
    assert rows['cpl, as reported'] == ['90.00', '', '', '', '', '']
    assert rows['cpl, minus reported'] == ['+10.00', '', '', '', '', '']
    assert 'cnm, as reported' not in rows
    assert rows['cpl, shift'] == ['', '', '', '0.00', '0.00', '']
    assert rows['cpl, shuffle-query'][:2] == ['5.00 ± 7.07', '5.00 ± 7.07']
    assert rows['best blind, shift'][3:] == ['20.00', '25.00', ''] and 'best blind, shuffle-query' not in rows


def test_lead_is_compared_with_the_noise_of_the_seeds(sections):
    recall, overlap, *alone = sections['Who leads'].rows[1:]
    assert recall[1:7] == ['R@1,IoU=0.5', 'cpl', 'cnm', '+100.00', '0.00', 'yes']
    assert overlap[1:7] == ['mIoU', 'cpl', 'cnm', '+30.00', '10.00', 'yes'] and overlap[7]
    assert [row[2:] for row in alone] == [['cpl', '', '', '', '', '']] * 2


@pytest.mark.parametrize('ends, sure', [([(8.0,), (4.0,)], 'no'), ([(8.0,)], 'one seed')])
def test_lead_within_the_noise_is_none(method, ends, sure):
    comparison = compare([method('cpl', *ends), method('cnm', *[(5.0,)] * len(ends))])
    (_, *overlap), = [row for row in summarize_benchmarks([Benchmark(comparison, {})])[1].rows if row[1] == 'mIoU']
    assert overlap[1] == 'cpl' and overlap[5] == sure


def test_no_seed_makes_noise_where_nothing_is_trained(method):
    comparison = compare([method('otsu', (8.0,), parameters=0), method('subarray', (5.0,), parameters=0)])
    recall, overlap = summarize_benchmarks([Benchmark(comparison, {})])[1].rows[1:]
    assert recall[5:7] == overlap[5:7] == ['', 'nothing is trained']


def test_reported_scores_are_those_of_the_protocol():
    assert reported_scores('cpl_charades', 'charades_sta/filtered')['R@1,IoU=0.5'] == 49.24
    assert reported_scores('cpl_charades', 'charades_sta/filtered (planted features)') == {}
    assert reported_scores('mine', 'charades_sta/filtered') == {}
