"""Predictions of other programs."""
import json

import numpy as np
import pytest
from runs import run_command

from mmvmr.evaluation.bare_predictions import is_bare, read_bare_predictions
from mmvmr.evaluation.protocols import find_protocol
from mmvmr.evaluation.scoring import per_query, summarize

PAIRS = [dict(video_id='a.mp4', query='He sits down.', duration=20.0, spans=[[0.0, 10.0]], qid=7),
         dict(video_id='b', query='She eats.', duration=30.0, spans=[[5.0, 10.0]], qid=8)]


def write(path, *entries):
    path.write_text('\n'.join(map(json.dumps, entries)))
    return path


@pytest.mark.parametrize('entry', [
    dict(qid=7, spans=[[0, 8], [1, 2]]), dict(qid='7', pred_relevant_windows=[[0, 8, 0.9], [1, 2, 0.1]]),
    dict(vid='a', query='he sits down', pred_spans=[[0, 8], [1, 2]]),
    dict(video_id='v_a', query='He sits down.', spans=[[0, 8], [1, 2]]),
    dict(vid='a', sentence='He sits down.', spans=[[0, 8], [1, 2]])])
def test_a_pair_is_found_by_its_number_or_by_video_and_sentence(tmp_path, entry):
    path = write(tmp_path / 'p.jsonl', entry)
    assert is_bare(path)
    table = read_bare_predictions(path, PAIRS, 'charades_sta/official')
    assert table['pred_spans'].tolist() == [[[0, 8], [1, 2]], []] and len(table['pred_scores'][0]) == 2
    assert summarize(per_query(table, find_protocol('charades_sta/official')))['mIoU'] == 40  # the other has none


def test_one_span_needs_no_list_and_all_may_be_one_list(tmp_path):
    path = tmp_path / 'p.json'
    path.write_text(json.dumps([dict(qid=8, spans=[5, 10]), dict(qid=7, spans=[])]))
    assert read_bare_predictions(path, PAIRS, 'x')['pred_spans'].tolist() == [[], [[5, 10]]]


@pytest.mark.parametrize('entries, message', [
    ([dict(qid=7, vid='b', query='She eats.', spans=[[0, 1]])], "its qid is that of 'He sits down.' in 'a.mp4'"),
    ([dict(qid=7, vid='b', query='He stands.', spans=[[0, 1]])], 'Leave the qid out'),
    ([dict(qid=9, spans=[[0, 1]])], 'prediction 0 is for a query that the annotations do not have'),
    ([dict(vid='a', query='He runs.', spans=[[0, 1]])], 'do not have'),
    ([dict(qid=7, spans=[[0, 1]]), dict(vid='a', query='he sits down', spans=[])], 'prediction 1: there is another'),
    ([dict(qid=7, spans=[[0, 1, 0.1], [2, 3, 0.9]])], 'scores rise'),
    ([dict(qid=7, spans=[[0, 1, 0.1], [2, 3]])], '1 of 2 spans have a score'),
    ([dict(qid=7, spans=[[0, 1, 2, 3]])], r'expected spans .*, got \[0, 1, 2, 3\]'),
    ([dict(qid=7, spans=[[0]])], 'prediction 0: expected a dict with qid'),
    ([dict(qid=7, spans=['0 - 3'])], 'prediction 0: expected a dict with qid'),
    ([dict(vid='a', caption='He sits down.', spans=[[0, 1]])], "vid and query or sentence; .*; got .*'caption'"),
    ([dict(query='He sits down.', spans=[[0, 1]])], 'with qid, or vid and query or sentence'),
    ([dict(qid=7, spans=[[0, 1]], pred_saliency_scores=['high'])], 'pred_saliency_scores to be a list of numbers'),
    ([dict(qid=7, spans=[[0, 1]], pred_saliency_scores=[[1]])], 'pred_saliency_scores to be a list of numbers'),
    ([dict(qid=7, spans=[[0, 1]], pred_saliency_scores=[float('nan')])], 'pred_saliency_scores to be a list of num'),
    ([dict(qid=7, answer=[[0, 1]])], 'and with spans'), ([7], 'prediction 0: expected'),
    ([[]], 'holds no predictions')])
def test_what_is_wrong_with_a_file_is_said(tmp_path, entries, message):
    with pytest.raises(ValueError, match=message):
        read_bare_predictions(write(tmp_path / 'p.jsonl', *entries), PAIRS, 'x')


def test_a_number_of_several_queries_does_not_tell_which_is_meant(tmp_path):
    pairs = [dict(pair, qid=0, video_id='a') for pair in PAIRS]
    with pytest.raises(ValueError, match="for several queries, 'He sits down.' and 'She eats.' among them"):
        read_bare_predictions(write(tmp_path / 'p.jsonl', dict(qid=0, spans=[[0, 8]])), pairs, 'x')
    entries = [dict(qid=0, vid='a', query=pair['query'], spans=pair['spans']) for pair in PAIRS[::-1]]
    table = read_bare_predictions(write(tmp_path / 'p.jsonl', *entries), pairs, 'x')
    assert table['pred_spans'].tolist() == [pair['spans'] for pair in PAIRS]


def test_a_submission_to_tvr_may_number_in_another_type(tmp_path):
    submission = dict(video2idx=dict(a=3, b=4), SVMR=[dict(desc_id=7, predictions=[[3, 0, 10, 0.5]])])
    pairs = [dict(PAIRS[0], video_id='a', qid='7')]
    table = read_bare_predictions(write(tmp_path / 'p.json', submission), pairs, 'tvr/val')
    assert table['pred_spans'].tolist() == [[[0, 10]]]


def test_pairs_of_the_same_video_and_sentence_share_one_entry_or_have_one_each(tmp_path):
    """As 1,330 of the 4,001 test pairs of TACoS."""
    pairs = [dict(video_id='b', query='She eats.', duration=30.0, spans=[[start, start + 5.0]]) for start in (0, 9, 20)]
    entries = [dict(vid='b', query='She eats.', spans=pair['spans']) for pair in pairs]
    each = read_bare_predictions(write(tmp_path / 'each.jsonl', *entries), pairs, 'x')
    assert each['pred_spans'].tolist() == [pair['spans'] for pair in pairs]
    shared = read_bare_predictions(write(tmp_path / 'one.jsonl', entries[1]), pairs, 'x')
    assert shared['pred_spans'].tolist() == [pairs[1]['spans']] * 3
    with_numbers = [dict(pair, qid=number) for number, pair in enumerate(pairs)]
    mixed = write(tmp_path / 'mixed.jsonl', dict(qid=0, spans=[[0, 5]]), entries[1])
    with pytest.raises(ValueError, match='one by its qid, one by its video and sentence'):
        read_bare_predictions(mixed, with_numbers, 'x')
    for number in (2, 4):
        with pytest.raises(ValueError, match='one for all, or one for each|another prediction'):
            read_bare_predictions(write(tmp_path / 'other.jsonl', *(entries + entries)[:number]), pairs, 'x')


def submission(rng):
    """To TVR, and its annotations: three videos, ten queries, predictions on a coarse grid, so that many meet."""
    videos = {'a': 3, 'b': 5, 'c': 4}
    pairs, entries = [], dict(VCMR=[], SVMR=[])
    for number in range(10):
        start = int(rng.integers(0, 20))
        video = str(rng.choice(list(videos)))
        pairs.append(dict(video_id=video, query=f'query {number}', duration=30.0, qid=number,
                          spans=[[start, start + int(rng.integers(1, 10))]]))
        for task in entries:
            spans = [[int(videos[video] if task == 'SVMR' else rng.choice([3, 4, 5])), low, low + length, -1.0]
                     for low, length in rng.integers([0, 1], [20, 10], (12, 2)).tolist()]
            entries[task].append(dict(desc_id=number, desc='', predictions=spans))
    return pairs, dict(entries, video2idx=videos)


@pytest.mark.parametrize('protocol, task', [('tvr/val', 'SVMR'), ('tvr/val_corpus', 'VCMR')])
def test_a_submission_to_tvr_has_the_recall_of_its_official_scorer(tmp_path, protocol, task):
    """A prediction is right in the right video with IoU >= m; R@n is the share of queries with one among n."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        pairs, content = submission(rng)
        scores = summarize(per_query(read_bare_predictions(write(tmp_path / 'p.json', content), pairs, protocol),
                                     find_protocol(protocol)))
        for top in (1, 5, 10):
            for least in (0.5, 0.7):
                hits = []
                for pair, entry in zip(pairs, content[task]):
                    low, high = pair['spans'][0]
                    hits.append(any(
                        video == content['video2idx'][pair['video_id']]
                        and max(0, min(end, high) - max(start, low)) / (max(end, high) - min(start, low)) >= least
                        for video, start, end, _ in entry['predictions'][:top]))
                assert scores[f'R@{top},IoU={least:g}'] == pytest.approx(100 * np.mean(hits))


# ------------------------------------------------------------------------------------------------------------- command
@pytest.fixture
def charades(tmp_path, monkeypatch):
    """Two test pairs where docs/data.md puts them, and predictions of another program."""
    from mmvmr.datasets.charades_sta import CharadesSTA
    folder = tmp_path / 'data' / 'charades_sta'
    folder.mkdir(parents=True)
    (folder / 'charades_sta_test.txt').write_text('AAAAA 0.0 10.0##he sits.\nBBBBB 5.0 10.0##she eats.\n')
    (folder / 'Charades_v1_test.csv').write_text('id,length\nAAAAA,20\nBBBBB,30\n')
    monkeypatch.chdir(tmp_path)
    for protocol in ('official', 'filtered'):
        monkeypatch.setitem(CharadesSTA.PROTOCOLS, protocol, {})
    return write(tmp_path / 'p.jsonl', dict(vid='AAAAA', query='He sits.', spans=[[0, 8]]),
                 dict(vid='BBBBB', query='She eats.', spans=[[20, 25]]))


@pytest.mark.parametrize('annotations', [[], ['--annotations', 'data/charades_sta/charades_sta_test.txt', '--durations',
                                              'data/charades_sta/Charades_v1_test.csv']])
def test_bare_spans_are_scored_under_a_named_protocol(charades, capsys, annotations):
    run_command('score', charades, '--protocol', 'charades_sta/official', *annotations)
    text = capsys.readouterr().out
    assert 'charades_sta/official: 2 queries, 2 videos' in text and '| 50.00 ' in text and '| 40.00' in text


@pytest.mark.parametrize('annotations', [[], ['--annotations', 'cpl_charades']])
def test_a_smaller_protocol_keeps_its_pairs_of_spans_for_a_larger_one(charades, capsys, annotations):
    with open('data/charades_sta/charades_sta_test.txt', 'a') as file:
        file.write('BBBBB 25.0 31.0##she runs.\n')  # ends after its video
    with open(charades, 'a') as file:
        file.write('\n' + json.dumps(dict(vid='BBBBB', query='She runs.', spans=[[25, 30]])))
    run_command('score', charades, '--protocol', 'charades_sta/filtered', *annotations)
    text = capsys.readouterr().out
    assert 'charades_sta/filtered: 2 queries, 2 videos' in text and '| 40.00' in text
    run_command('score', charades, '--protocol', 'charades_sta/official')
    assert 'charades_sta/official: 3 queries, 2 videos' in capsys.readouterr().out
    with open(charades, 'a') as file:
        file.write('\n' + json.dumps(dict(vid='BBBBB', query='She stands.', spans=[[25, 30]])))
    with pytest.raises(ValueError, match='prediction 3 is for a query that the annotations do not have'):
        run_command('score', charades, '--protocol', 'charades_sta/filtered', *annotations)


def test_a_list_of_the_pairs_of_a_smaller_protocol_alone_will_do(charades, tmp_path, capsys, monkeypatch):
    from mmvmr.datasets.charades_sta import CharadesSTA
    monkeypatch.setitem(CharadesSTA.PROTOCOLS, 'official', dict(test=3))
    (tmp_path / 'cnm.json').write_text(json.dumps([['AAAAA', 20, [0, 10], 'he sits.'],
                                                   ['BBBBB', 30, [5, 10], 'she eats.']]))
    run_command('score', charades, '--protocol', 'charades_sta/filtered', '--annotations', tmp_path / 'cnm.json')
    assert 'charades_sta/filtered: 2 queries, 2 videos' in capsys.readouterr().out


def test_bare_spans_are_scored_against_annotations_of_ones_own(tmp_path, capsys):
    (tmp_path / 'mine.json').write_text(json.dumps([['v', 20, [0, 10], 'He sits.']]))
    path = write(tmp_path / 'p.jsonl', dict(vid='v', query='He sits.', spans=[[0, 8]]))
    run_command('score', path, '--annotations', tmp_path / 'mine.json', '--format', 'markdown')
    text = capsys.readouterr().out
    assert '**custom (mine): 1 queries, 1 videos**' in text and '| model | 100.00 | 100.00 | 100.00 | 80.00 |' in text
    run_command('score', path, '--annotations', tmp_path / 'mine.json', '--format', 'latex')
    text = capsys.readouterr().out
    assert text.count(r'\begin{tabular}') == 3 and r'model & 100.00 & 100.00 & 100.00 & 80.00 \\' in text
    assert all(line.startswith(('%', '\\')) or line.endswith(r'\\') for line in text.splitlines() if line)


def test_annotations_that_would_not_be_read_are_refused(tmp_path):
    row = dict(sample_idx=0, video_id='v', query='He sits.', duration=20, gt_spans=[[0, 10]], pred_spans=[[0, 8]],
               pred_scores=[1], protocol='custom (mine)')
    path = write(tmp_path / 'own.jsonl', row)
    for flag in ('annotations', 'durations'):
        with pytest.raises(ValueError, match=f'--{flag} would change nothing: ".*own.jsonl" holds the annotated'):
            run_command('score', path, f'--{flag}', tmp_path / 'absent.json')
    bare = write(tmp_path / 'bare.jsonl', dict(vid='v', query='He sits.', spans=[[0, 8]]))
    (tmp_path / 'mine.json').write_text(json.dumps([['v', 20, [0, 10], 'He sits.']]))
    run_command('score', path, '--against', bare, '--annotations', tmp_path / 'mine.json')


def test_durations_tell_that_annotations_are_those_of_charades(charades, capsys):
    files = ['data/charades_sta/charades_sta_test.txt', '--durations', 'data/charades_sta/Charades_v1_test.csv']
    run_command('score', charades, '--annotations', *files)
    assert 'custom (charades_sta_test): 2 queries, 2 videos' in capsys.readouterr().out
    for others in ([], ['--annotations', 'cpl_charades']):
        with pytest.raises(ValueError, match='--durations goes with --annotations FILE'):
            run_command('score', charades, '--protocol', 'charades_sta/official', *others, *files[1:])


def test_a_table_of_predictions_is_told_what_is_read_instead(tmp_path):
    (tmp_path / 'p.csv').write_text('video,query,start,end\nv,He sits.,0,3\n')
    with pytest.raises(ValueError, match='p.csv" is not a JSON file.* Predictions are JSON lines, each a dict with'):
        run_command('score', tmp_path / 'p.csv', '--annotations', 'a.json')


def test_annotations_that_are_not_there_are_no_config(charades):
    with pytest.raises(FileNotFoundError, match='files that are not there.*\n.*missing.json'):
        run_command('score', charades, '--annotations', 'missing.json')


def test_bare_spans_without_annotations_are_refused(charades):
    with pytest.raises(ValueError, match='--annotations FILE'):
        run_command('score', charades)
    with pytest.raises(ValueError, match='There is no protocol "charades/official". Known are .*charades_sta/official'):
        run_command('score', charades, '--protocol', 'charades/official')
