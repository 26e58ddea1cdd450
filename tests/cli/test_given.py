"""What a command says of a config, run, number or target that is wrong, before it begins to work."""
import argparse
import re
import subprocess
import sys

import pytest
from runs import REPO, run_command

from mmvmr.cli.main import COMMANDS, at_least, build_parser, main
from mmvmr.cli.train import HINTS
from mmvmr.engine.run.config import parse_options, read_config
from mmvmr.engine.run.places import find_config, shipped_configs

OF_CONFIGS = ['train CONFIG', 'test CONFIG', 'print-config CONFIG', 'flops CONFIG', 'benchmark CONFIG', 'verify CONFIG',
              'browse-dataset CONFIG --out x', 'reproduce CONFIG', 'dist-train CONFIG 2', 'dist-test CONFIG x 2',
              'score p.jsonl --config CONFIG', 'plot-results p.jsonl --config CONFIG --out x',
              'browse work_dirs/mcmt --config CONFIG', 'infer CONFIG v.mp4 s --checkpoint x.pth',
              'vocabulary v.npz --vectors v.txt --sentences CONFIG', 'extract v x --extractor CONFIG.py',
              'convert-official cpl x.pth y.pth --data CONFIG.py', 'plant CONFIG x',
              'serve CONFIG --checkpoint x.pth --port 0']
OF_RUNS = ['test RUN', 'test cpl_charades RUN', 'dist-test cpl_charades RUN 2', 'infer RUN v.mp4 s',
           'search index RUN v x',
           'search query index s --run RUN', 'browse RUN', 'browse work_dirs/mcmt --against RUN', 'calibrate RUN',
           'serve RUN',
           'publish RUN x', 'export RUN x',
           'publish work_dirs/mcmt x --checkpoint RUN/a.pth', 'score RUN', 'score p.jsonl --against RUN',
           'timelines RUN --out x', 'plot-results RUN --out x',
           'plot-training RUN', 'flops RUN', 'print-config RUN', 'benchmark RUN', 'reproduce RUN', 'verify RUN']


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, with two runs that hold nothing but names, predictions and an index."""
    monkeypatch.chdir(tmp_path)
    for name in ('mcmt', 'reproduction/cpl/seed_0'):
        run = tmp_path / 'work_dirs' / name
        run.mkdir(parents=True)
        (run / 'epoch_1.pth').touch()
        (run / 'config.py').touch()
    (tmp_path / 'index').mkdir()
    for name in ('p.jsonl', 'v.mp4', 'a.jsonl', 'x.pth', 'index/index.json'):
        (tmp_path / name).touch()
    return tmp_path


def test_a_misspelt_config_is_told_before_anything_that_takes_long_is_imported(here):
    code = f"""
import io, sys
from contextlib import redirect_stderr
from mmvmr.cli import main
for words in {[line.replace('CONFIG', 'mcmt_charade').split() for line in OF_CONFIGS]!r}:
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            main(words)
    except SystemExit:
        pass
    heavy = sorted({{'torch', 'mmengine', 'cv2', 'pandas', 'matplotlib', 'h5py'}} & set(sys.modules))
    assert 'Did you mean' in said.getvalue() or '"mcmt_charade.py"' in said.getvalue(), (words, said.getvalue())
    assert 'mcmt_charade' in said.getvalue() and not heavy, (words, heavy)
"""
    subprocess.run([sys.executable, '-c', code], check=True, cwd=here)


def test_all_commands_that_take_a_config_are_tried():
    tried = {line.split()[0] for line in OF_CONFIGS}
    for name in [name for group in COMMANDS.values() for name in group]:
        parser = build_parser(name)
        taken = {action.dest for action in parser._actions} & {'config', 'configs', 'run', 'extractor', 'sentences'}
        assert not taken or name in tried | {'publish', 'export', 'pack', 'new', 'demo', 'calibrate'}, name


@pytest.mark.parametrize('line', OF_RUNS)
@pytest.mark.parametrize('wrong', ['work_dirs/mcm', 'mcm', 'work_dirs/mcm/epoch_1.pth'])
def test_a_wrong_run_is_answered_with_those_that_are_near(here, line, wrong):
    with pytest.raises(FileNotFoundError) as error:
        run_command(*line.replace('RUN', wrong).split())
    assert wrong in str(error.value) and 'In "work_dirs" there are: work_dirs/mcmt' in str(error.value)


def test_runs_are_found_in_the_folders_of_folders(here):
    with pytest.raises(FileNotFoundError, match='In "work_dirs/reproduction" there are: .*cpl/seed_0'):
        run_command('test', 'work_dirs/reproduction/pps/seed_0')
    with pytest.raises(FileNotFoundError, match='is no folder of a run.* In "work_dirs" there are: work_dirs/mcmt'):
        run_command('score', 'work_dirs')
    with pytest.raises(FileNotFoundError, match='"work_dirs/mcmt" has epoch_1.pth'):
        run_command('test', 'work_dirs/mcmt/epoch_9.pth')


@pytest.mark.parametrize('line', ['train CKPT', 'flops CKPT', 'score CKPT', 'timelines CKPT --out x', 'benchmark CKPT'])
def test_a_checkpoint_in_the_place_of_something_else_is_told_with_its_run(here, line):
    with pytest.raises(ValueError, match='"work_dirs/mcmt/epoch_1.pth" is a checkpoint.*"work_dirs/mcmt"'):
        run_command(*line.replace('CKPT', 'work_dirs/mcmt/epoch_1.pth').split())


@pytest.mark.parametrize('line', ['infer cpl_charades . s', 'browse cpl_charades', 'search index cpl_charades v x'])
def test_a_config_in_the_place_of_a_run_is_told_as_such(here, line):
    with pytest.raises(ValueError, match='[Gg]ive a checkpoint or the folder of a run|A config needs a checkpoint'):
        run_command(*line.split())


def test_a_training_resumes_from_a_checkpoint_and_not_from_a_folder(here):
    with pytest.raises(IsADirectoryError, match='takes a checkpoint.* newest is "work_dirs/mcmt/epoch_1.pth".*'
                                                '--work-dir work_dirs/mcmt --resume'):
        run_command('train', 'cpl_charades', '--resume', 'work_dirs/mcmt')
    with pytest.raises(FileNotFoundError, match='has epoch_1.pth'):
        run_command('train', 'cpl_charades', '--resume', 'work_dirs/mcmt/epoch_2.pth')


@pytest.mark.parametrize('line, message', [
    ('calibrate work_dirs/mcmt/epoch_1.pth', 'is a checkpoint. .*mmvmr calibrate work_dirs/mcmt'),
    ('score empty.jsonl', '"empty.jsonl" is empty'),
    ('vocabulary v.npz --vectors random --sentences empty.jsonl', 'There is no sentence in empty.jsonl'),
    ('vocabulary v.npz --vectors random --sentences train.jsn', 'There is no file "train.jsn" of annotations'),
    ('reproduce cpl_charades@x --data x', '--data x changes nothing'),
    ('reproduce cpl_charades --data x a=b', '--data x is used by no config: write CONFIG@x'),
    ('reproduce cpl_charades@x --data x a=1 --data x a=2', '--data x is given twice')])
def test_what_was_given_is_named(here, line, message):
    (here / 'empty.jsonl').touch()
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run_command(*line.split())


# -------------------------------------------------------------------------------------------------------------- numbers
def _numbers():
    """(command, flag, value that it cannot have): for every flag of every command that takes a number."""
    for name in [name for group in COMMANDS.values() for name in group]:
        parsers = [build_parser(name)]
        for action in parsers[0]._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += [*action.choices.values()]
        for parser in parsers:
            for action in parser._actions:
                unbounded = action.type in (int, float) and action.dest != 'local_rank'
                assert not unbounded, f'{name}: {action.dest} may be any number'
                if getattr(action.type, '__qualname__', '').startswith('at_least'):
                    yield parser.prog, action.type


@pytest.mark.parametrize('program, kind', list(_numbers()))
def test_a_number_out_of_its_bounds_is_refused(program, kind):
    for text in ('-1', 'many', 'nan', 'inf'):
        with pytest.raises(argparse.ArgumentTypeError, match=f"number .*, got '{text}'"):
            kind(text)


@pytest.mark.parametrize('line', ['infer r v s --top-k 0', 'search query i s --top-k 0',
                                  'search query i s --windows 0', 'timelines r --out x --num 0', 'browse r --num 0',
                                  'browse-dataset c --out x --num 0', 'extract v x --extractor e --workers 0',
                                  'reproduce --jobs 0', 'flops c --words 0',
                                  'benchmark c --steps 0', 'dist-train c 0', 'vocabulary v.npz --vectors x --size 0'])
def test_nothing_is_done_for_a_count_of_none(line, capsys):
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2 and "must be a whole number of at least 1, got '0'" in capsys.readouterr().err


def test_bounds_of_numbers_belong_to_them():
    assert at_least(1)('1') == 1 and at_least(0, float, most=1)('1') == 1.0
    with pytest.raises(argparse.ArgumentTypeError, match='a number from 0 to 1, got'):
        at_least(0, float, most=1)('1.1')
    with pytest.raises(argparse.ArgumentTypeError, match='a whole number of at least 1, got'):
        at_least(1)('1.5')


# -------------------------------------------------------------------------------------------------------------- targets
@pytest.mark.parametrize('line', [
    'train cpl_charades --work-dir TARGET', 'test work_dirs/mcmt --work-dir TARGET',
    'test work_dirs/mcmt --out TARGET/p', 'infer work_dirs/mcmt v.mp4 s --json TARGET/a',
    'infer work_dirs/mcmt v.mp4 s --srt TARGET/a', 'infer work_dirs/mcmt v.mp4 s --html TARGET/a',
    'infer work_dirs/mcmt v.mp4 s --clips TARGET',
    'search index work_dirs/mcmt v TARGET', 'search query index s --json TARGET/a',
    'browse work_dirs/mcmt --out TARGET/a', 'browse-dataset cpl_charades --out TARGET',
    'timelines p.jsonl --out TARGET', 'plot-results p.jsonl --out TARGET',
    'plot-training work_dirs/mcmt --out TARGET/a.png', 'extract v.mp4 TARGET --extractor DescriptorExtractor',
    'pack x TARGET', 'plant cpl_charades TARGET', 'moving-shapes --out TARGET', 'publish work_dirs/mcmt TARGET',
    'export work_dirs/mcmt TARGET', 'reproduce --out TARGET',
    'vocabulary TARGET/v.npz --vectors x', 'convert-official cpl x.pth TARGET/y.pth',
    'benchmark cpl_charades --folder TARGET'])
def test_what_cannot_be_written_is_told_before_the_work(here, line):
    with pytest.raises(PermissionError, match='Nothing can be written to "/proc/x'):
        run_command(*line.replace('TARGET', '/proc/x').split())
    with pytest.raises(NotADirectoryError, match='p.jsonl" is a file, where a folder should be'):
        run_command(*line.replace('TARGET', 'p.jsonl/x').split())


def test_answers_go_to_files_of_their_own(here):
    with pytest.raises(ValueError, match='Several answers are to be written to one file'):
        run_command('infer', 'work_dirs/mcmt', 'v.mp4', 's', '--json', 'a', '--html', 'a')
    with pytest.raises(IsADirectoryError, match='"index" is a folder, where a file is to be written'):
        run_command('infer', 'work_dirs/mcmt', 'v.mp4', 's', '--json', 'index', '--force')


# ---------------------------------------------------------------------------------------------------- flags that clash
@pytest.mark.parametrize('line, message', [
    ('infer work_dirs/mcmt v.mp4 s --duration 5', '--duration is for features'),
    ('infer work_dirs/mcmt absent.mp4 s', 'There is no video, folder or file of features "absent.mp4"'),
    ('verify cpl_charades --features x', 'not both'), ('verify cpl_charades --feature-dim 3', 'not both'),
    ('verify --annotations a.json --features x --cfg-options dim=3', '--cfg-options change a config'),
    ('verify cpl_charades --cfg-options model=3', 'model should be a dict'),
    ('extract v.mp4 x --extractor ClipExtractor', 'needs weights(?s:.*)follow --cfg-options, as NAME=VALUE'),
    ('extract p.jsonl x --extractor DescriptorExtractor', '"p.jsonl" is no folder with videos, and no video')])
def test_what_would_be_ignored_or_is_missing_is_told(here, line, message):
    with pytest.raises((ValueError, OSError), match=message):
        run_command(*line.split())


# -------------------------------------------------------------------------------------------------------------- options
@pytest.mark.parametrize('name', sorted(path.stem for path in (REPO / 'configs').glob('*.py')))
def test_options_that_are_recommended_work_with_every_config(name, tmp_path):
    if not read_config(name).get('train_dataloader'):
        return  # nothing to train
    for hint in HINTS.values():
        options = [word.rstrip(',;.') for word in re.findall(r'--cfg-options (\S+)', hint)]
        for option in options:
            option = re.sub(r'=[A-Z]+$', '=1', option)
            if 'optimizer' in option and 'optimizer' not in read_config(name).optim_wrapper:
                option = option.replace('optim_wrapper', f'optim_wrapper.{list(read_config(name).optim_wrapper)[-1]}')
            assert read_config(name, parse_options([option])).entries_of_run() != read_config(name).entries_of_run()


def test_a_change_of_the_data_set_reaches_all_data_sets_of_a_run(tmp_path):
    original = read_config('cpl_charades')
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'config.py').write_text(original.pretty_text)
    for text in ('dataset.data_root=/elsewhere', 'dataset.vocabulary=/run/vocabulary.npz'):
        changed, expected = (read_config(path, parse_options([text])) for path in (tmp_path / 'run', 'cpl_charades'))
        for part in ('train_dataloader', 'val_dataloader', 'test_dataloader', 'test_evaluator'):
            assert changed[part] == expected[part] != original[part]
    with pytest.raises(ValueError, match='read by nothing'):
        read_config('cpl_charades', parse_options(['dataset_.data_root=/elsewhere']))


def test_files_that_messages_name_are_found_by_name():
    assert find_config('_base_/datasets/tacos') == str(shipped_configs() / '_base_/datasets/tacos.py')
