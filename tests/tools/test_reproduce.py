"""The comparison over several seeds; but for one real run, with commands that only pretend to train and test."""
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from runs import REPO, make_runner, run_command, same, weights, write_config

from mmvmr.reproduction import reproduce, side_by_side

PRETEND = """
import json, os, pathlib, random, re, sys
config, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
seed = re.search(r"randomness = {'seed': (\\d+)", config.read_text())[1]
probe = sys.argv[sys.argv.index('--probe') + 1] if '--probe' in sys.argv else ''
print(os.environ['OMP_NUM_THREADS'], 'threads')
with open(os.environ['CALLS'], 'a') as calls:
    print(*filter(None, [pathlib.Path(__file__).stem, probe, config.stem, seed]), file=calls)
"""
TRAIN = PRETEND + """
if config.stem == os.environ.get('BROKEN'):
    sys.exit('Out of luck')
assert '--resume' in sys.argv
folder.mkdir(exist_ok=True)
(folder / config.name).write_text(config.read_text())
(folder / 'best_margin_epoch_1.pth').touch()
"""
TEST = PRETEND + """
assert (pathlib.Path(sys.argv[2]) / 'best_margin_epoch_1.pth').exists()
draw = random.Random(f'{config.stem} {seed} {probe}').uniform
with open(sys.argv[sys.argv.index('--out') + 1], 'w') as out:
    for index in range(12):
        print(json.dumps(dict(sample_idx=index, video_id=f'v{index // 3}', query='he sits', duration=20.0,
                              gt_spans=[[0.0, 10.0]], pred_spans=[[0.0, draw(2, 10)]], pred_scores=[1.0],
                              protocol='custom' + f' ({probe})' * bool(probe))), file=out)
"""


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """Put pretended commands in place of the real ones; ``pretend()`` returns and forgets their calls so far."""
    for name, text in dict(train=TRAIN, test=TEST).items():
        (tmp_path / f'{name}.py').write_text(text)
    calls, real = tmp_path / 'calls', reproduce.commands
    monkeypatch.setattr(reproduce, 'commands', lambda run, probes: {
        step: [tmp_path / f'{name}.py', *arguments] for step, (_, _, name, *arguments) in real(run, probes).items()})
    monkeypatch.setattr(side_by_side.time, 'sleep', lambda _, sleep=side_by_side.time.sleep: sleep(0.02))
    monkeypatch.setenv('CALLS', str(calls))

    def read():
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return lines
    return read


@pytest.fixture
def run(tmp_path, tiny_dataset, capsys):
    """``run(*options)`` reproduces two configs with two seeds; returns exit code, output and folder."""
    files = [write_config(tmp_path / f'{name}_tiny.py', tiny_dataset, 'cnm') for name in ('one', 'two')]

    def main(*options):
        code = run_command('reproduce', *files, '--seeds', 0, 1, '--out', tmp_path / 'out', *options)
        printed = capsys.readouterr()
        return code, printed.out + printed.err, tmp_path / 'out'
    return main


def _scores(path):
    """Recall at IoU 0.5 and mIoU, where the moment is [0, 10] and the answer [0, end] with end up to 10."""
    iou = np.array([json.loads(line)['pred_spans'][0][1] / 10 for line in path.read_text().splitlines()])
    return 100 * (iou >= 0.5).mean(), 100 * iou.mean()


STEPS = ('train', 'test', 'test shuffle-query')


def _call_list(names='one two', steps=STEPS, seeds='01'):
    return [f'{step} {name}_tiny {seed}' for seed in seeds for name in names.split() for step in steps]


def test_table_has_what_follows_from_the_predictions(run, pretend):
    code, text, out = run()
    assert code == 0 and pretend() == _call_list()
    table = pd.read_csv(out / 'table.csv', index_col='method')
    for name in ('one', 'two'):
        folders = [out / f'{name}_tiny' / f'seed_{seed}' for seed in (0, 1)]
        for file, suffix in (('predictions', ''), ('predictions_shuffle-query', ' shuffle-query')):
            recalls, overlaps = zip(*[_scores(folder / f'{file}.jsonl') for folder in folders])
            assert table.loc[name, f'R@1,IoU=0.5{suffix}'] == pytest.approx(sum(recalls) / 2, abs=1e-3)
            assert table.loc[name, f'mIoU{suffix}'] == pytest.approx(sum(overlaps) / 2, abs=1e-3)
            assert table.loc[name, f'mIoU{suffix} std'] == pytest.approx(abs(np.diff(overlaps)[0]) / 2**0.5, abs=1e-3)
        assert f'| {name} | 2 |' in (out / 'table.md').read_text()
    assert 'custom: 12 queries, 4 videos' in text
    assert (out / 'table.png').read_bytes().startswith(b'\x89PNG')


def test_moments_of_people_for_other_queries_are_said_to_be_of_another_data_set(run, pretend, tmp_path):
    lines = (run()[2] / 'one_tiny' / 'seed_0' / 'predictions.jsonl').read_text().splitlines()
    answers, queries = tmp_path / 'people.csv', {json.loads(line)['query'] for line in lines}
    for video, said in (('v0', False), ('elsewhere', True)):
        answers.write_text('HITId,video_id,description,start,end\n' + ''.join(
            f'H,{video},"{query}",0,50\n' for query in queries))
        text = run('--human', answers)[1]
        assert ('is --human the file of another data set?' in text) == said
        assert ('| people' in text) != said


def test_finished_runs_are_used_again_and_give_the_same_bytes(run, pretend):
    out = run()[2]
    result = json.loads((out / 'one_tiny' / 'seed_1' / 'result.json').read_text())
    assert result['seed'] == 1 and result['checkpoint'] == 'best_margin_epoch_1.pth'
    assert {'mmvmr', 'torch', 'device'} <= result['made_with'].keys()
    tables = {path.name: path.read_bytes() for path in out.glob('table.*')}
    pretend()
    code, text, _ = run('--jobs', '2')
    assert code == 0 and '4 runs, 4 of them finished before' in text
    assert pretend() == []
    assert {path.name: path.read_bytes() for path in out.glob('table.*')} == tables and len(tables) == 5


def test_interrupted_it_goes_on_from_there(run, pretend, monkeypatch, tmp_path):
    describe, done = reproduce.describe_run, []

    def interrupted(*args):
        if done:
            raise KeyboardInterrupt
        done.append(args)
        return describe(*args)

    monkeypatch.setattr(reproduce, 'describe_run', interrupted)
    with pytest.raises(KeyboardInterrupt, match='Stopped. The same command goes on from here.'):
        run()
    assert pretend() == _call_list(seeds='0') and not (tmp_path / 'out' / 'table.md').exists()
    monkeypatch.setattr(reproduce, 'describe_run', describe)
    assert run()[0] == 0
    assert pretend() == _call_list(seeds='1')  # the steps of the second run were done as well, but its result was not


def test_run_that_fails_is_reported_and_the_others_finish(run, pretend, monkeypatch):
    monkeypatch.setenv('BROKEN', 'one_tiny')
    code, text, out = run('--seeds', '0')
    assert code == 1
    assert pretend() == ['train one_tiny 0', *_call_list('two', seeds='0')]
    assert 'one_tiny/seed_0 has failed. The step "train" failed; ' in text and 'Out of luck' in text
    assert '| two | 1 |' in (out / 'table.md').read_text() and '| one |' not in (out / 'table.md').read_text()
    monkeypatch.delenv('BROKEN')
    assert run('--seeds', '0')[0] == 0
    assert pretend() == _call_list('one', seeds='0') and '| one | 1 |' in (out / 'table.md').read_text()


def test_config_that_has_changed_is_refused_or_redone(run, pretend, tmp_path):
    run('--seeds', '0')
    pretend()
    change = ('--seeds', '0', '--cfg-options', 'train_cfg.max_epochs=7')
    with pytest.raises(ValueError, match='--redo') as error:
        run(*change)
    assert f'{tmp_path}/out/one_tiny/seed_0\n' in str(error.value) and pretend() == []
    assert "'max_epochs': 2" in str(error.value) and "'max_epochs': 7" in str(error.value)
    assert run(*change, '--redo')[0] == 0
    assert pretend() == _call_list(seeds='0')


def test_probe_that_is_added_later_is_all_that_is_run(run, pretend):
    run('--seeds', '0')
    pretend()
    code, _, out = run('--seeds', '0', '--probes', 'shuffle-query', 'shift')
    assert code == 0 and pretend() == _call_list(steps=['test shift'], seeds='0')
    table = (out / 'table.md').read_text()
    assert '| one, shift |' in table and '| one, shuffle-query |' in table
    assert run('--seeds', '0')[0] == 0 and pretend() == []
    table = (out / 'table.md').read_text()
    assert '| one, shuffle-query |' in table and 'shift' not in table, 'those that were asked for'


def test_what_is_gone_or_damaged_in_a_run_is_made_again(run, pretend):
    *_, out = run()
    folder = out / 'one_tiny' / 'seed_0'
    table, result = (out / 'table.csv').read_bytes(), (folder / 'result.json').read_bytes()
    pretend()

    def again():
        code, text, _ = run()
        assert code == 0, text
        assert (folder / 'result.json').read_bytes() == result and (out / 'table.csv').read_bytes() == table
        return pretend()

    for damaged in (result[:100], b'', b'[]'):
        (folder / 'result.json').write_bytes(damaged)
        assert again() == []
    (folder / 'predictions.jsonl').unlink()
    assert again() == ['test one_tiny 0']
    (folder / 'predictions_shuffle-query.jsonl').unlink()
    assert again() == ['test shuffle-query one_tiny 0']
    (folder / 'result.json').unlink()
    with open(folder / 'test.costs', 'a') as costs:
        costs.write('{"exit_code": 0, "sec')  # cut off by a full disk
    assert again() == []


def test_one_method_with_other_queries_does_not_take_the_table_of_the_others(run, pretend):
    *_, out = run()
    path = out / 'one_tiny' / 'seed_0' / 'predictions.jsonl'
    path.write_text(path.read_text().replace('he sits', 'she stands'))
    code, text, _ = run()
    assert code == 1 and 'one_tiny has failed. The predictions in' in text and 'for different queries' in text
    assert '| one |' not in (out / 'table.md').read_text() and '| two | 2 |' in (out / 'table.md').read_text()


def test_configs_are_checked_before_anything_is_deleted(run, pretend):
    *_, out = run()
    pretend()
    results = sorted(out.glob('*/*/result.json'))
    for option, message in (('train_dataloader.dataset.max_word=30', 'Did you mean max_words'),
                            ('train_cfg.max_epochs=0', 'max_epochs'),
                            ('default_hooks.checkpoint=None', 'there would be nothing to test'),
                            ('randomness.seed=9', 'The seeds are those of --seeds')):
        with pytest.raises(ValueError, match=message):
            run('--redo', '--cfg-options', option)
    with pytest.raises(ValueError, match='The seeds are those of --seeds'):
        run_command('reproduce', f'{out.parent}/one_tiny.py@x', '--data', 'x', 'randomness.seed=9', '--out', out)
    assert sorted(out.glob('*/*/result.json')) == results and len(results) == 4 and pretend() == []


def test_config_on_another_data_set_is_a_run_of_its_own(run, pretend, tmp_path, tiny_dataset):
    file, out = tmp_path / 'one_tiny.py', tmp_path / 'out'
    others = ('--data', 'long', 'train_cfg.max_epochs=7', '--seeds', 0, '--out', out)
    assert run_command('reproduce', file, f'{file}@long', *others) == 0
    assert pretend() == [*_call_list('one', seeds='0'), *(f'{step} one_tiny@long 0' for step in STEPS)]
    epochs = {name: re.search("'max_epochs': (.)|max_epochs=(.)", path.read_text()).group() for name in (
        'one_tiny', 'one_tiny@long') for path in [out / name / 'seed_0' / f'{name}.py']}
    assert [text[-1] for text in epochs.values()] == ['2', '7']
    with pytest.raises(ValueError, match='--data short KEY=VALUE'):
        run_command('reproduce', f'{file}@short', *others)


def test_table_of_all_benchmarks_is_put_between_the_marks_of_a_page(run, pretend, tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('before\n')
    with pytest.raises(ValueError, match='no place for the table'):
        run('--seeds', '0', '--into', page)
    assert pretend() == [] and page.read_text() == 'before\n'
    page.write_text(f'before `{reproduce._BEGIN}`\n{reproduce._BEGIN}\nold\n{reproduce._END}\nafter\n')
    _, _, out = run('--seeds', '0', '--into', page)
    block = reproduce.between_marks(page)
    assert page.read_text().startswith('before `') and page.read_text().endswith('\nafter\n') and 'old' not in block
    rows = [line for line in block.splitlines() if line.startswith('| one |')]
    assert len(rows) == 1 and rows[0] in (out / 'table.md').read_text()
    first = page.read_text()
    run('--seeds', '0', '--into', page)
    assert page.read_text() == first
    page.write_bytes(first.replace('\n', '\r\n').encode())  # as Windows ends lines
    run('--seeds', '0', '--into', page)
    assert page.read_bytes() == first.replace('\n', '\r\n').encode()


def test_cores_are_shared_out(run, pretend, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(reproduce.os, 'sched_getaffinity', lambda _: set(range(7)))
    code, _, out = run('--jobs', '2', '--seeds', '0')
    assert code == 0 and sorted(pretend()) == sorted(_call_list(seeds='0'))
    assert (out / 'two_tiny' / 'seed_0' / 'train.log').read_text() == '3 threads\n'


@pytest.mark.parametrize('options, message', [
    (['--reference', 'three'], "--reference be one of them; got ['one_tiny', 'two_tiny'] and 'three'"),
    (['--cfg-options', 'tset_evaluator=None'], 'Did you mean test_evaluator'),
    (['--cfg-options', 'test_evaluator.type=ReconstructionMargin'], 'no `test_evaluator` of type MomentRecall')])
def test_mistakes_are_explained_before_anything_runs(run, pretend, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        run(*options)
    assert pretend() == []


def test_methods_are_those_of_moving_shapes_unless_told_otherwise(tmp_path):
    runs = [run.name for run in reproduce.plan([], [0, 1, 2], tmp_path)]
    stems = sorted(path.stem for path in (REPO / 'configs').glob('*_moving_shapes.py'))
    assert runs == [f'{stem}/seed_{seed}' for seed in (0, 1, 2) for stem in stems]


def test_real_run_that_was_killed_ends_as_one_that_was_not(tmp_path, tiny_dataset, capsys):
    file = write_config(tmp_path / 'tiny.py', tiny_dataset, 'cnm')
    make_runner(file, tmp_path / 'straight', {'randomness.seed': 3}).train()
    run = tmp_path / 'out' / 'tiny' / 'seed_3'
    (run / 'train').mkdir(parents=True)
    shutil.copy(tmp_path / 'straight' / 'epoch_1.pth', run / 'train')
    assert run_command('reproduce', file, '--seeds', 3, '--out', tmp_path / 'out') == 0, capsys.readouterr()
    assert 'resumed epoch: 1' in (run / 'train.log').read_text()
    assert same(weights(run / 'train' / 'epoch_2.pth'), weights(tmp_path / 'straight' / 'epoch_2.pth'))
    result = json.loads((run / 'result.json').read_text())
    assert f"R@1,IoU=0.5: {result['metrics']['R@1,IoU=0.5']:.4f}" in (run / 'test.log').read_text()
    assert f"mIoU: {result['probes']['shuffle-query']['mIoU']:.4f}" in (run / 'shuffle-query.log').read_text()
    assert 'probe     shuffle-query' in (run / 'shuffle-query.log').read_text()
    assert result['cost']['peak_mb'] > 200
    assert result['cost']['parameters'] == sum(
        parameter.numel() for parameter in make_runner(file, tmp_path / 'straight').model.parameters())


def test_pages_that_have_the_table_of_all_benchmarks_have_the_same_one():
    pages = [page for page in [REPO / 'README.md', *(REPO / 'docs').glob('*.md')]
             if reproduce._BEGIN in page.read_text().splitlines()]
    blocks = {reproduce.between_marks(page) for page in pages}
    assert len(blocks) == 1 and '| best blind |' in blocks.pop()
