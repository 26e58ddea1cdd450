"""The tools that prepare and check data, from files to files."""
import json
import pickle
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from runs import run_command, write_config

from mmvmr.cli.vocabulary import read_sentences
from mmvmr.features.stores.feature_store import open_feature_store, write_packed_store
from mmvmr.text.encoders.word_vectors import WordVectors
from mmvmr.text.vocabulary import Vocabulary


def verify(tiny, capsys):
    """Exit code and output of `mmvmr verify` for the training split."""
    code = run_command('verify', '--annotations', tiny.train['ann_file'], '--features', tiny.features)
    return code, capsys.readouterr().out


def test_packing_keeps_all_videos_and_writes_down_where_they_come_from(tiny_dataset, tmp_path):
    target = str(tmp_path / 'packed')
    run_command('pack', str(tiny_dataset.features), target, '--num-clips', '16', '--extractor', 'I3D', '--fps', '24')
    source, packed = open_feature_store(tiny_dataset.features), open_feature_store(target)
    assert packed.video_ids == source.video_ids
    np.testing.assert_array_equal(packed.read_clips(['val_1'], 16), source.read_clips(['val_1'], 16))
    assert packed.manifest['extractor'] == 'I3D' and packed.manifest['fps'] == 24
    with pytest.raises(FileExistsError, match='--force'):
        run_command('pack', str(tiny_dataset.features), target)
    with pytest.raises(ValueError, match='already resampled to 16 clips'):
        run_command('pack', target, str(tmp_path / 'again'))


def test_packing_by_force_deletes_nothing_but_a_store(tiny_dataset, tmp_path):
    source, folder = tmp_path / 'npy', tmp_path / 'charades_sta'
    source.mkdir()
    np.save(source / 'a.npy', np.ones((4, 3), np.float32))
    folder.mkdir()
    for name in ('charades_sta_train.txt', 'vocabulary.npz'):  # /features was forgotten on the command line
        (folder / name).write_text('annotations')
    with pytest.raises(FileExistsError, match='charades_sta_train.txt, vocabulary.npz'):
        run_command('pack', str(source), str(folder), '--force')
    assert sorted(path.name for path in folder.iterdir()) == ['charades_sta_train.txt', 'vocabulary.npz']
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'manifest.json').write_text('{"format": "of another program"}')
    with pytest.raises(FileExistsError, match='no feature store'):
        run_command('pack', str(source), str(tmp_path / 'other'), '--force')
    for _ in range(2):
        run_command('pack', str(source), str(tmp_path / 'empty'), '--num-clips', '0', '--force')
    with pytest.raises(ValueError, match='both source and target'):
        run_command('pack', str(tmp_path / 'empty'), str(tmp_path / 'npy' / '..' / 'empty'), '--force')
    assert open_feature_store(tmp_path / 'empty').read('a').shape == (4, 3)


def test_packing_in_shards_gives_the_features_of_packing_at_once(tiny_dataset, tmp_path, capsys):
    source, whole, shards = str(tiny_dataset.features), str(tmp_path / 'whole'), str(tmp_path / 'shards')
    options = ['--num-clips', '16', '--extractor', 'I3D']
    run_command('pack', source, whole, *options)
    run_command('pack', source, shards, *options, '--shard', '2/3')
    assert 'shard_2_of_3: 6 videos, 8 dimensions' in capsys.readouterr().out  # of 16
    with pytest.raises(ValueError, match='lacks 2 of 3 shards: 0/3, 1/3'):
        open_feature_store(shards)
    run_command('pack', source, shards, *options, '--shard', '0/3')
    run_command('pack', source, shards, *options, '--shard', '1/3')
    packed, expected = open_feature_store(shards), open_feature_store(whole)
    assert packed.video_ids == expected.video_ids and packed.manifest['extractor'] == 'I3D'
    np.testing.assert_array_equal(packed.read_clips(packed.video_ids, 16), expected.read_clips(packed.video_ids, 16))
    with pytest.raises(FileExistsError, match='shard_1_of_3 exists.*--force'):
        run_command('pack', source, shards, *options, '--shard', '1/3')
    with pytest.raises(FileExistsError, match='holds shards of 3'):
        run_command('pack', source, shards, *options, '--shard', '1/4')
    with pytest.raises(SystemExit):
        run_command('pack', source, shards, *options, '--shard', '3/3')
    assert 'such as 3/16' in capsys.readouterr().err


def test_what_is_packed_from_shards_is_a_store_in_one_piece(tiny_dataset, tmp_path):
    for share in ('0/2', '1/2'):
        run_command('pack', str(tiny_dataset.features), str(tmp_path / 'rows'), '--num-clips', '0', '--shard', share)
    run_command('pack', str(tmp_path / 'rows'), str(tmp_path / 'p'), '--num-clips', '16')
    packed, source = open_feature_store(tmp_path / 'p'), open_feature_store(tiny_dataset.features)
    assert not {'shard', 'num_shards', 'sha256_of_all_ids'} & set(packed.manifest)
    np.testing.assert_array_equal(packed.read_clips(source.video_ids, 16), source.read_clips(source.video_ids, 16))


def test_packing_again_keeps_what_a_store_says_of_its_extractor(tmp_path):
    said = dict(extractor=dict(type='DescriptorExtractor'), weights_sha256=None, clip_seconds=0.5)
    write_packed_store(tmp_path / 'all_rows', {'v': np.ones((5, 3))}, manifest=said)
    run_command('pack', tmp_path / 'all_rows', tmp_path / 'p', '--num-clips', 2, '--dtype', 'float16')
    packed = open_feature_store(tmp_path / 'p')
    assert packed.read('v').shape == (2, 3)
    assert packed.manifest.items() >= dict(said, source='all_rows', num_clips=2, dtype='float16').items()


def test_packing_without_resampling_keeps_every_row(tiny_dataset, tmp_path):
    run_command('pack', str(tiny_dataset.features), str(tmp_path / 'p'), '--num-clips', '0', '--dtype', 'float16')
    packed = open_feature_store(tmp_path / 'p')
    assert packed.read('val_1').shape == (40, 8) and packed.read('val_1').dtype == np.float16


def test_a_sound_data_set_has_no_problems(tiny_dataset, capsys):
    code, out = verify(tiny_dataset, capsys)
    assert code == 0 and 'custom (train): 16 pairs, 8 videos' in out and 'No problem found' in out


def test_every_problem_of_a_data_set_is_listed(tiny_dataset, capsys):
    with h5py.File(tiny_dataset.features, 'a') as file:
        file['train_0'][3, 1] = np.nan
        del file['train_1'], file['train_2'], file['train_3'], file['train_4']
        file['train_4'] = np.zeros((45, 8), np.float32)  # not so many more that they would be of another video
        file['train_2'] = np.zeros((40, 5), np.float32)
        file['train_3'] = np.zeros((400, 8), np.float32)  # ten times as many rows as the others of 20 s
    pairs = json.loads(Path(tiny_dataset.train['ann_file']).read_text())
    pairs[-1][1] = 25.0  # the other pair of train_7 says 20
    Path(tiny_dataset.train['ann_file']).write_text(json.dumps(pairs))
    code, out = verify(tiny_dataset, capsys)
    assert code == 1
    rows = {line.split('|')[1].strip(): line.split('|')[3].strip() for line in out.splitlines() if line.count('|') == 4}
    assert rows['NaN or infinite'] == 'train_0' and rows['no features'] == 'train_1'
    assert rows['unreadable'].startswith("Features of video 'train_2' have shape (40, 5)")
    assert rows['rows do not fit the duration'] == 'train_3: 400 rows x 0.5 s = 200.0 s, but it lasts 20.0 s'
    assert rows['durations of one video differ'] == 'train_7: [20.0, 25.0]'


def test_words_that_are_not_there_are_a_problem_too(tiny_dataset, tmp_path, capsys):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm')
    assert run_command('verify', file) == 0 and 'No problem found' in capsys.readouterr().out
    Path(tiny_dataset.vocabulary).unlink()
    assert run_command('verify', file) == 1
    out = capsys.readouterr().out
    text = ' '.join(out.replace('|', ' ').split())
    assert 'There is no vocabulary' in text and '1 There is' in text.replace('vocabulary 1', '1')  # said once
    assert out.splitlines()[-1] == (f'mmvmr vocabulary {tiny_dataset.vocabulary} --vectors VECTORS --sentences CONFIG')


def test_a_command_can_be_copied(tiny_dataset, tmp_path, capsys):
    with open(tmp_path / 'features.pkl', 'wb') as file:
        pickle.dump({'train_0': np.ones((4, 3))}, file)
    assert run_command('verify', '--annotations', tiny_dataset.train['ann_file'], '--features',
                       tmp_path / 'features.pkl') == 1
    *table, command = capsys.readouterr().out.splitlines()
    assert command.startswith("python -c 'import glob, pickle") and command.endswith("'")
    assert 'see below' in ' '.join(table) and 'python -c' not in ' '.join(table)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / 'features.npz').is_file()


def test_bad_annotations_are_a_problem_too(tiny_dataset, capsys):
    Path(tiny_dataset.train['ann_file']).write_text(json.dumps([['train_0', 20.0, [30, 40], 'a ball.']]))
    code, out = verify(tiny_dataset, capsys)
    text = ' '.join(out.replace('|', ' ').split())  # where a line breaks depends on the length of a path
    assert code == 1 and 'the span [30.0, 40.0] does not lie' in text


@pytest.mark.parametrize('features, kind', [
    ('features.h5', 'wrong dimensions'), ('absent', 'features'), ('vocabulary.npz', 'features')])
def test_features_that_are_others_or_none_are_a_problem(tiny_dataset, capsys, features, kind):
    assert run_command('verify', '--annotations', tiny_dataset.train['ann_file'], '--features',
                       tiny_dataset.root / features, '--feature-dim', 9) == 1
    kinds = {line.split('|')[1].strip(): line for line in capsys.readouterr().out.splitlines() if line.count('|') == 4}
    assert kinds.keys() - {''} == {'problem', kind}


def test_a_config_is_verified_with_all_its_splits(tiny_dataset, tmp_path, capsys):
    assert run_command('verify', write_config(tmp_path / 'config.py', tiny_dataset)) == 0
    assert [line.split(':')[0] for line in capsys.readouterr().out.splitlines() if ' split: ' in line] == [
        'custom (train), train split', 'custom (val), val split', 'custom (test), test split']


def test_a_vocabulary_is_built_from_glove_text_and_training_sentences(tiny_dataset, tmp_path, capsys):
    (tmp_path / 'glove.txt').write_text('a 1 2\nball 3 4\nred 5 6\nzebra 7 8\n')
    target = tmp_path / 'v.npz'
    arguments = [str(target), '--vectors', str(tmp_path / 'glove.txt'), '--sentences', tiny_dataset.train['ann_file']]
    run_command('vocabulary', *arguments, '--size', '2')
    vocabulary = Vocabulary.load(target)
    assert sorted(vocabulary.words) == ['a', 'ball'] and vocabulary.provenance['source'] == 'glove.txt'
    assert '2 words; 6 of 8 counted words are left out' in capsys.readouterr().out
    with pytest.raises(FileExistsError, match='--force'):
        run_command('vocabulary', *arguments)
    with pytest.raises(ValueError, match='say with --sentences'):
        run_command('vocabulary', *arguments[:3], '--force')


def test_a_vocabulary_needs_neither_vectors_nor_annotations(tmp_path):
    (tmp_path / 'sentences.txt').write_text('A person opens the door.\nHe sits.\n', encoding='utf-16')
    run_command('vocabulary', tmp_path / 'v.npz', '--vectors', 'random', '--sentences', tmp_path / 'sentences.txt')
    vocabulary = Vocabulary.load(tmp_path / 'v.npz')
    assert {'person', 'sits'} < set(vocabulary.words) and vocabulary.vectors.shape[1] == 300
    assert vocabulary.provenance['source'] == 'random'


def test_sentences_without_blanks_between_words_are_named_as_such(tmp_path):
    (tmp_path / 'a.txt').write_text('男人打开冰箱\n女人坐在椅子上\nA dog.\n', encoding='utf-8')
    with pytest.raises(ValueError, match='2 of 3 sentences are in a script without blanks .*男人打开冰箱'):
        run_command('vocabulary', tmp_path / 'v.npz', '--vectors', 'random', '--sentences', tmp_path / 'a.txt')
    (tmp_path / 'a.txt').write_text('男人 打开 冰箱\n', encoding='utf-8')
    run_command('vocabulary', tmp_path / 'v.npz', '--vectors', 'random', '--sentences', tmp_path / 'a.txt')
    encoder = WordVectors(Vocabulary.load(tmp_path / 'v.npz'))
    assert encoder.problem('打开 冰箱') is None and 'no blanks between its words' in encoder.problem('男人打开冰箱')


def test_the_sentences_of_a_config_are_those_of_its_training_split(tiny_dataset, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(f'train_dataloader = dict(dataset={dict(tiny_dataset.train, val_fraction=0.5)!r})')
    assert len(read_sentences(str(config))[0]) == 16  # held-out videos are training videos too
