"""Annotations in the forms in which they are published, and protocols that are pinned by hashes."""
import bz2
import gzip
import json
import lzma
import random

import pytest
from runs import run_command

from mmvmr.datasets.annotations import check_pairs
from mmvmr.datasets.charades_sta import CharadesSTA
from mmvmr.datasets.forms import read_pairs, read_queries, recognise
from mmvmr.datasets.moment_dataset import MomentDataset
from mmvmr.datasets.pinned import Pin, compare_with_pin
from mmvmr.datasets.qvhighlights import QVHighlights
from mmvmr.datasets.youcook2 import YouCook2

TEA = dict(relevant=True, clip=True, v_duration=31.5, bounds=[3, 20], steps=[])
FORMS = {  # name of the form -> content, and the pairs (video, duration, query, spans)
    'a list of mmvmr, CNM and CPL': (
        [['v', 20, [1, 4], 'One.'], ['v', 20.0, [[0, 4], [10, 14]], 'Two.'], [7, 9, None, 'Three.']],
        [('v', 20, 'One.', [[1, 4]]), ('v', 20, 'Two.', [[0, 4], [10, 14]]), ('7', 9, 'Three.', [])]),
    'QVHighlights': (
        [dict(qid=5, query='One.', vid='v_1.0_2.0', duration=150, relevant_windows=[[0, 4], [10, 14]],
              relevant_clip_ids=[0, 1], saliency_scores=[[1, 2, 3], [4, 4, 4]]),
         dict(qid=6, query='Two.', vid='w', duration=150)],
        [('v_1.0_2.0', 150, 'One.', [[0, 4], [10, 14]]), ('w', 150, 'Two.', [])]),
    'TVR': ([dict(vid_name='v', duration=61.5, ts=[1.0, 70], desc='One.', type='v', desc_id=1),
             dict(vid_name='v', duration=61.5, desc='Two.', type='t', desc_id=2)],
            [('v', 61.5, 'One.', [[1, 61.5]]), ('v', 61.5, 'Two.', [])]),
    'DiDeMo': ([dict(annotation_id=1, description='One.', video='1@N.mov', num_segments=6, dl_link='-',
                     times=[[2, 2], [2, 3]])],
               [('1@N.mov', 30, 'One.', [[10, 15], [10, 20]])]),  # segments of 5 s, the last one included
    'Ego4D-NLQ': (dict(version='1', videos=[dict(video_uid='u', clips=[dict(
        clip_uid='c', video_start_sec=100.0, video_end_sec=131.5, annotations=[dict(language_queries=[
            dict(clip_start_sec=4.0, clip_end_sec=1.0, query='Where?'), dict(clip_start_sec=0, query=None),
            dict(query='What?')])])])]),
        [('c', 31.5, 'Where?', [[1, 4]]), ('c', 31.5, 'What?', [])]),
    'YouCook2': (dict(database=dict(v=dict(duration=31.5, subset='training', annotations=[
        dict(segment=[3, 9], id=0, sentence='boil')]), w=dict(duration=9, subset='testing'))),
        [('v', 31.5, 'boil', [[3, 9]])]),
    'MAD': ({'1': dict(movie='1000', sentence='One.', timestamps=[1.0, 4.0], movie_duration=31.5)},
            [('1000', 31.5, 'One.', [[1, 4]])]),
    'ActivityNet Captions': (dict(v=dict(duration=31.5, timestamps=[[1, 4], [9, 40]], sentences=['One.', 'Two.'])),
                             [('v', 31.5, 'One.', [[1, 4]]), ('v', 31.5, 'Two.', [[9, 31.5]])]),
    'Charades-CD': (dict(v=dict(video_duration=31.5, decode_fps=25, timestamps=[[1, 4]], sentences=['One.'])),
                    [('v', 31.5, 'One.', [[1, 4]])]),
    'TACoS of 2D-TAN and VSLNet': (
        {'s.avi': dict(timestamps=[[50, 100]], sentences=['One.'], fps=25.0, num_frames=250)},
        [('s.avi', 10, 'One.', [[2, 4]])]),
    'HiREST': ({'Make tea': {'a.mp4': TEA, 'b.mp4': dict(TEA, clip=False, bounds=None)}},
               [('a.mp4', 31.5, 'Make tea', [[3, 20]])]),
}


def _write(path, content, lines=False):
    path.write_text('\n'.join(map(json.dumps, content)) if lines else json.dumps(content))
    return path


LISTS = [name for name, (content, _) in FORMS.items() if isinstance(content, list)]


@pytest.mark.parametrize('name, lines', [*((name, False) for name in FORMS), *((name, True) for name in LISTS)])
def test_a_form_is_recognised_and_read(tmp_path, name, lines):
    content, expected = FORMS[name]
    path = _write(tmp_path / 'a', content, lines)
    assert recognise(path)[1].name == name
    pairs = check_pairs(read_pairs(path), 'a')
    assert [(pair['video_id'], pair['duration'], pair['query'], pair['spans']) for pair in pairs] == expected
    assert [pair['query'] for pair in MomentDataset(str(path)).data_list] == [query for _, _, query, _ in expected]


@pytest.mark.parametrize('name', LISTS)
def test_a_single_entry_on_a_single_line_is_recognised_too(tmp_path, name):
    content, expected = FORMS[name]
    path = _write(tmp_path / 'a', content[:1], lines=True)
    assert recognise(path)[1].name == name and read_pairs(path)[0]['query'] == expected[0][2]


def test_a_single_moment_needs_no_list_of_moments(tmp_path):
    for content in (['v', 20, [1, 4], 'One.'], dict(qid=1, query='One.', vid='v', duration=20,
                                                     relevant_windows=[1, 4])):
        assert read_pairs(_write(tmp_path / 'a', [content]))[0]['spans'] == [[1, 4]]


def test_sentences_may_be_json_strings_on_lines(tmp_path):
    (tmp_path / 'a').write_text('"He sits."\n"She says \\"go\\"."\n')
    assert read_queries(tmp_path / 'a') == ['He sits.', 'She says "go".']
    (tmp_path / 'a').write_text('"Go", she says.\nHe sits.\n')
    assert read_queries(tmp_path / 'a') == ['"Go", she says.', 'He sits.']


@pytest.mark.parametrize('pack', [bz2.compress, lzma.compress])
def test_annotations_may_be_packed_as_small_as_they_can(tmp_path, pack):
    (tmp_path / 'a.json').write_bytes(pack(json.dumps(FORMS['TVR'][0]).encode('utf-8-sig')))
    assert read_pairs(tmp_path / 'a.json')[0]['qid'] == 1
    (tmp_path / 'a.json').write_bytes(pack(json.dumps(FORMS['TVR'][0]).encode())[:-20])
    with pytest.raises(ValueError, match='cannot be unpacked'):
        read_pairs(tmp_path / 'a.json')


def test_annotations_may_be_packed(tmp_path):
    (tmp_path / 'a.jsonl.gz').write_bytes(gzip.compress(json.dumps(FORMS['QVHighlights'][0][0]).encode('utf-16')))
    assert read_pairs(tmp_path / 'a.jsonl.gz')[0]['qid'] == 5


@pytest.mark.parametrize('content, message', [
    ([dict(query='One.', vid='v')], r'entry 0: expected vid, duration, query .*\(QVHighlights\).*KeyError: .duration'),
    ([['v', 3]], r'entry 0: expected \[video_id, duration'),
    ({'database': {'v': dict(duration=3, subset='training', annotations=[dict(segment=[0, 1], label='x')])}},
     "video \"v\": .*YouCook2.*KeyError: 'sentence'"),
    ([dict(text='One.', clip='v')], 'not known: a list of 1, the first a dict with text, clip.*QVHighlights'),
    (3, 'is not a JSON file and no JSON lines')])
def test_what_is_wrong_with_a_file_is_named_with_its_form(tmp_path, content, message):
    with pytest.raises(ValueError, match=f'(?s){message}'):
        read_pairs(_write(tmp_path / 'a', content))


@pytest.mark.parametrize('name', ['mine.csv', 'mine.tsv'])
def test_a_table_is_for_another_command(tmp_path, name):
    (tmp_path / name).write_text('video,sentence,start,end\nkitchen,He sits.,1,4\n')
    with pytest.raises(ValueError, match=f'is a table, expected JSON.*mmvmr new VIDEOS FOLDER --sentences .*{name}$'):
        read_pairs(tmp_path / name)


def test_the_text_of_charades_asks_for_durations(tmp_path):
    (tmp_path / 'a.txt').write_text('AAAAA 1.0 4.5##person opens a door.\n')
    with pytest.raises(ValueError, match='form of Charades-STA.*--durations'):
        MomentDataset(str(tmp_path / 'a.txt'))


def test_the_score_of_a_query_with_several_moments_is_that_of_the_best_fitting_one(tiny_dataset):
    import torch

    from mmvmr.evaluation.moment_recall import MomentRecall
    path = _write(tiny_dataset.root / 'a.json', [['test_0', 20.0, [[0, 4], [10, 14]], 'a red ball moves.']])
    dataset = MomentDataset(**{key: value for key, value in dict(tiny_dataset.test, ann_file=str(path)).items()
                               if key != 'type'})
    sample = dataset[0]['data_samples'][0]
    assert sample.gt_spans.tolist() == [[0, 4], [10, 14]]
    sample.pred_spans, sample.pred_scores = torch.tensor([[10.0, 15.0]]), torch.ones(1)
    metric = MomentRecall()
    metric.dataset_meta = dataset.metainfo
    metric.process(None, [sample.to_dict()])
    assert metric.compute_metrics(metric.results)['mIoU'] == 80.0


def test_youcook2_is_divided_by_its_subsets(tmp_path):
    video = dict(duration=9, annotations=[dict(segment=[3, 9], id=0, sentence='boil')])
    videos = dict(a=dict(video, subset='training'), b=dict(video, subset='validation'))
    path = _write(tmp_path / 'a', dict(database=videos))
    assert [pair['video_id'] for pair in YouCook2(str(path)).data_list] == ['a']
    assert [pair['video_id'] for pair in YouCook2(str(path), split='test').data_list] == ['b']


# ------------------------------------------------------------------------------------------------------------- convert
def test_converted_annotations_are_json_lines_with_what_else_is_known(tmp_path, capsys):
    path = _write(tmp_path / 'a', FORMS['QVHighlights'][0])
    run_command('convert', path, tmp_path / 'out.jsonl')
    assert ': QVHighlights, 2 pairs of 2 videos.' in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / 'out.jsonl').read_text().splitlines()]
    assert lines[0] == FORMS['QVHighlights'][0][0] and read_pairs(tmp_path / 'out.jsonl')[1]['spans'] == []
    with pytest.raises(FileExistsError, match='--force'):
        run_command('convert', path, tmp_path / 'out.jsonl')


def test_no_number_is_made_up_and_none_stands_for_queries_of_two_videos(tmp_path):
    path = _write(tmp_path / 'a', [['a', 20, None, 'He runs.']])
    run_command('convert', path, tmp_path / 'out.jsonl')
    line = json.loads((tmp_path / 'out.jsonl').read_text())
    assert 'qid' not in line and line['query'] == 'He runs.'
    lines = [dict(line, qid=1), dict(line, qid='1', query='He jumps.'), dict(line, qid=1, vid='b')]
    assert len(check_pairs(read_pairs(_write(tmp_path / 'b', lines[:2])), 'b')) == 2  # as of rewritten queries
    with pytest.raises(ValueError, match=r"entry 2 \(video 'b'\): its qid 1 is that of a query of video 'a'"):
        check_pairs(read_pairs(_write(tmp_path / 'b', lines)), 'b')


def test_a_sentence_may_begin_with_a_bracket(tmp_path):
    (tmp_path / 'q.txt').write_text('[door opens] a man enters\n{a} dog runs\n')
    assert read_queries(tmp_path / 'q.txt') == ['[door opens] a man enters', '{a} dog runs']
    (tmp_path / 'q.json').write_text('{"query": "he runs"}\n{"query": "he ju')
    with pytest.raises(ValueError, match='q.json'):
        read_queries(tmp_path / 'q.json')


def test_the_form_and_the_first_pair_are_printed(tmp_path, capsys):
    run_command('convert', _write(tmp_path / 'a', FORMS['DiDeMo'][0]))
    head, line = capsys.readouterr().out.splitlines()
    assert 'DiDeMo, 1 pairs of 1 videos' in head and json.loads(line)['relevant_windows'] == [[10, 15], [10, 20]]


def test_one_subset_is_kept_on_request(tmp_path, capsys):
    path = _write(tmp_path / 'a', FORMS['YouCook2'][0])
    run_command('convert', path)
    assert 'subsets training' in capsys.readouterr().out
    with pytest.raises(ValueError, match='has training subsets, but --subset validation'):
        run_command('convert', path, '--subset', 'validation')


@pytest.mark.parametrize('table', ['id,length\nAAAAA,12.5\n', 'ID;subject;Length\nAAAAA;X;12.5\n',
                                   'id\tlength\nAAAAA\t12.5\n', '{"AAAAA": {"duration": 12.5}}'])
def test_charades_is_converted_with_its_durations(tmp_path, table):
    (tmp_path / 'a.txt').write_text('AAAAA 14.5 1.0##person opens a door.\n')
    (tmp_path / 'table').write_text(table)
    run_command('convert', tmp_path / 'a.txt', tmp_path / 'out.jsonl', '--durations', str(tmp_path / 'table'))
    assert read_pairs(tmp_path / 'out.jsonl')[0]['spans'] == [[1.0, 12.5]]


# ---------------------------------------------------------------------------------------------------------------- pins
def _pairs(count=2000):
    return [dict(video_id=f'v{number}', query=f'He does {number}.', spans=[[1.0, 4.0]], duration=9.0)
            for number in range(count)]


def test_a_pin_is_that_of_the_same_pairs_in_any_order_and_spelling():
    pairs = _pairs()
    shuffled = [dict(pair, video_id=f'{pair["video_id"]}.mp4', query=pair['query'].upper()[:-1]) for pair in pairs]
    random.Random(0).shuffle(shuffled)
    assert compare_with_pin(shuffled, Pin.of(pairs), 'a') == ''


def test_few_corrections_are_counted_and_another_file_is_refused():
    pairs = _pairs()
    pin = Pin.of(pairs)
    corrected = [dict(pair, spans=[[2.0, 4.0]]) if number in (7, 70, 700) else pair
                 for number, pair in enumerate(pairs)]
    assert compare_with_pin(corrected, pin, 'a') == '(3 moments differ)'
    assert compare_with_pin([*pairs, dict(pairs[0], query='Another.')], pin, 'a') == '(1 pairs differ)'
    with pytest.raises(ValueError, match='not the 2000 of the protocol: there are many with other moments'):
        compare_with_pin([dict(pair, spans=[[2.0, 4.0]]) for pair in pairs], pin, 'a')
    with pytest.raises(ValueError, match='many with other sentences or videos'):
        compare_with_pin([dict(pair, query='One.') for pair in pairs], pin, 'a')


@pytest.mark.parametrize('protocol, remark', [('official', '(4 moments differ)'), ('filtered', '(4 pairs differ)')])
def test_charades_with_its_swapped_spans_put_right_is_named_as_such(shared_data, tmp_path, protocol, remark):
    folder = shared_data / 'charades_sta'
    right = {'LEOL6 8.0 7.0': 'LEOL6 0.0 2.5', 'IOL8Q 20.9 12.0': 'IOL8Q 20.9 25.8', 'AKKWU 38.0 13.0': 'AKKWU 3.4 8.8'}
    lines = (folder / 'charades_sta_train.txt').read_text().splitlines()
    lines = ['##'.join([right.get(head, head), text]) for head, text in (line.split('##', 1) for line in lines)]
    (tmp_path / 'train.txt').write_text('\n'.join(lines))
    files = dict(ann_file=str(tmp_path / 'train.txt'), durations=str(folder / 'Charades_v1_train.csv'))
    dataset = CharadesSTA(**files, protocol=protocol)
    assert dataset.metainfo['protocol'] == f'charades_sta/{protocol} {remark}'
    (tmp_path / 'train.txt').write_text('\n'.join(line.replace('##', '##then ') for line in lines))
    with pytest.raises(ValueError, match='pairs, but they are not the .* of the protocol'):
        CharadesSTA(**files, protocol=protocol)


@pytest.mark.parametrize('protocol', ['cd_test_ood', 'cg_novel_word'])
def test_the_usual_test_pairs_do_not_pass_for_those_of_another_division(shared_data, tmp_path, protocol):
    folder = shared_data / 'charades_sta'
    files = dict(durations=str(folder / 'Charades_v1_test.csv'), protocol=protocol, split='test')
    with pytest.raises(ValueError, match='the pairs of charades_sta/official test, not those of '
                                         f'charades_sta/{protocol}.*test_dataloader.dataset.ann_file=FILE, or choose '
                                         'the protocol official'):
        CharadesSTA(str(folder / 'charades_sta_test.txt'), **files)
    lines = (folder / 'charades_sta_test.txt').read_text().splitlines()
    (tmp_path / 'some.txt').write_text('\n'.join(lines[:-1]))
    assert CharadesSTA(str(tmp_path / 'some.txt'), **files).metainfo['protocol'] == f'charades_sta/{protocol}'


def test_qvhighlights_is_pinned(shared_data):
    path = shared_data / 'qvhighlights' / 'highlight_val_release.jsonl'
    dataset = QVHighlights(str(path), protocol='val', split='test')
    assert dataset.metainfo['protocol'] == 'qvhighlights/val' and len(dataset) == 1550
    assert sum(len(pair['spans']) > 1 for pair in dataset.data_list) > 500
