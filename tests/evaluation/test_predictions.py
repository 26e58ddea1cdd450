import json

import pandas as pd
import pytest

from mmvmr.datasets.charades_sta import CharadesSTA
from mmvmr.evaluation.predictions import read_predictions, same_queries, select_protocol, write_predictions

ROW = dict(sample_idx=0, video_id='v', query='il s’assied', duration=20.0, gt_spans=[[1.0, 4.5]],
           pred_spans=[[0.0, 4.0], [2.0, 3.0]], pred_scores=[0.5, 0.25], protocol='custom (mine)')


def test_what_is_written_is_read_again(tmp_path):
    table = pd.DataFrame([ROW, dict(ROW, sample_idx=1, query='two\u2028lines', pred_spans=[], pred_scores=[])])
    write_predictions(table, tmp_path / 'new' / 'predictions.jsonl')
    pd.testing.assert_frame_equal(read_predictions(tmp_path / 'new' / 'predictions.jsonl'), table)


def test_the_file_has_one_line_of_json_per_query(tmp_path):
    rows = [ROW, dict(ROW, query='Er öffnet die Tür.')]
    write_predictions(pd.DataFrame(rows), tmp_path / 'predictions.jsonl')
    text = (tmp_path / 'predictions.jsonl').read_text(encoding='utf-8')
    assert [json.loads(line) for line in text.splitlines()] == rows and 'Tür' in text


@pytest.mark.parametrize('text, message', [
    ('', 'is empty'), ('{"sample_idx": 0', 'line 1 is no prediction'), ('[1, 2]', 'lacks'), ('3', 'is no prediction'),
    (json.dumps(ROW) + '\n{"video_id": "v"}', 'line 2 lacks sample_idx, query')])
def test_another_file_is_refused_with_the_line_that_is_wrong(tmp_path, text, message):
    (tmp_path / 'other.jsonl').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_predictions(tmp_path / 'other.jsonl')


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='`mmvmr test` writes such a file'):
        read_predictions(tmp_path / 'predictions.jsonl')


def _charades(folder, protocol):
    dataset = CharadesSTA('charades_sta_test.txt', durations='Charades_v1_test.csv', protocol=protocol, split='test',
                          data_root=str(folder), test_mode=True)
    return pd.DataFrame(dataset.data_list).rename(columns=dict(spans='gt_spans')).assign(
        protocol=f'charades_sta/{protocol}')


def test_the_filtered_pairs_of_charades_are_found_among_the_official_ones(shared_data):
    official = _charades(shared_data / 'charades_sta', 'official')
    filtered = _charades(shared_data / 'charades_sta', 'filtered')
    chosen = select_protocol(official, 'charades_sta/filtered')
    assert (len(official), len(chosen)) == (3720, 3158)
    pd.testing.assert_frame_equal(chosen, filtered)


def test_pairs_whose_moment_ends_with_the_video_are_not_in_the_filtered_protocol():
    table = pd.DataFrame([dict(ROW, gt_spans=[[1.0, end]], protocol='charades_sta/official') for end in (20.0, 19.9)])
    expected = pd.DataFrame([dict(ROW, gt_spans=[[1.0, 19.9]], protocol='charades_sta/filtered')])
    pd.testing.assert_frame_equal(select_protocol(table, 'charades_sta/filtered'), expected)


def test_what_is_remarked_of_a_protocol_holds_for_a_part_of_it():
    table = pd.DataFrame([dict(ROW, protocol='charades_sta/official (4 moments differ)')])
    assert select_protocol(table, 'charades_sta/filtered')['protocol'][0] == 'charades_sta/filtered (4 moments differ)'


def test_queries_are_the_same_though_their_times_are_rounded():
    table = pd.DataFrame(dict(video_id=['a', 'b'], query='he runs', gt_spans=[[[1 / 3, 6000.11]], []]))
    rounded = table.assign(gt_spans=[[[0.3333, 6000.1099]], []])
    assert same_queries(table, rounded)
    for others in ([[[0.34, 6000.11]], []], [[[1 / 3, 6000.11]], [[1.0, 2.0]]]):
        assert not same_queries(table, table.assign(gt_spans=others))


def test_a_protocol_with_other_pairs_is_refused():
    table = pd.DataFrame([dict(ROW, protocol='activitynet_captions/val_1')])
    with pytest.raises(ValueError, match='Run `mmvmr test` under that protocol'):
        select_protocol(table, 'activitynet_captions/val_2')
    assert select_protocol(table, 'activitynet_captions/val_1') is table
