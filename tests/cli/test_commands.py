"""The command `mmvmr`: what it lists, how fast it answers, and the small commands."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import REPO, make_runner, run_command, run_tool, write_config

from mmvmr.apis import MomentRetrievalInferencer, VideoFeatures
from mmvmr.cli import doctor, main
from mmvmr.cli.dist_train import launch
from mmvmr.cli.main import COMMANDS, build_parser, module_of
from mmvmr.engine.checkpoint import load_checkpoint
from mmvmr.engine.run.config import read_config
from mmvmr.reproduction.complexity import complexity
from mmvmr.utils.files import sha256_of_files

NAMES = [name for group in COMMANDS.values() for name in group]


@pytest.fixture
def mmvmr(capsys):
    """``mmvmr(word, ...)`` is what is typed; gives exit code and what is printed."""
    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(list(map(str, words)))
        return end.value.code, ''.join(capsys.readouterr())
    return run


# ------------------------------------------------------------------------------------------------------- what there is
def test_every_module_of_a_command_is_listed_and_the_other_way_round():
    modules = {path.stem for path in (REPO / 'mmvmr' / 'cli').glob('*.py')} - {'__init__', 'main', 'errors'}
    assert {name.replace('-', '_') for name in NAMES} == modules


@pytest.mark.parametrize('name', NAMES)
def test_a_command_says_what_it_does_and_how_with_an_example(name, mmvmr):
    code, text = mmvmr(name, '--help')
    assert code == 0 and f'usage: mmvmr {name}' in text
    assert f'mmvmr {name}' in module_of(name).__doc__ or name == 'doctor'


@pytest.mark.parametrize('tool, name', [
    (path, re.search(r"main\(command='([a-z-]+)'\)", path.read_text())[1]) for path in sorted(
        (REPO / 'tools').rglob('*.py'))])
def test_a_tool_is_one_of_the_commands_and_nothing_more(tool, name):
    assert name in NAMES and len(tool.read_text().splitlines()) == 5
    assert f'The command ``mmvmr {name}``.' in tool.read_text()


def test_nothing_typed_gives_the_overview(mmvmr):
    code, text = mmvmr()
    assert code == 0 and all(f'  {name} ' in text for name in NAMES)


def test_a_mistyped_command_or_flag_is_answered_with_what_may_have_been_meant(mmvmr):
    assert mmvmr('trian') == (2, 'mmvmr: there is no command "trian". Did you mean train?\n')
    code, text = mmvmr('train', 'x', '--workdir', 'y')
    assert code == 2 and 'Did you mean --work-dir?' in text
    code, text = mmvmr('train', 'x', '--device', 'cuda')
    assert code == 2 and 'CUDA_VISIBLE_DEVICES' in text
    code, text = mmvmr('train', 'x', 'train_cfg.max_epochs=2')
    assert code == 2 and '--cfg-options' in text


@pytest.mark.parametrize('line, several', [
    ('infer RUN --top-k 2 VIDEO --device cpu a b', dict(run='RUN', video='VIDEO', sentences=['a', 'b'])),
    ('search query INDEX --top-k 2 a --device cpu b', dict(index=Path('INDEX'), sentences=['a', 'b'])),
    ('search query INDEX --top-k 2 -- -a', dict(index=Path('INDEX'), sentences=['-a'])),
    ('search index VIDEOS --zero-shot MODEL INDEX', dict(run=None, videos='VIDEOS', index=Path('INDEX'))),
    ('convert FROM --force TO', dict(annotations=Path('FROM'), target=Path('TO'))),
    ('test CONFIG --out FILE WEIGHTS', dict(config='CONFIG', checkpoint='WEIGHTS')),
    ('plot-results A --out FOLDER B', dict(predictions=[Path('A'), Path('B')])),
    ('demo --no-browser a b', dict(sentences=['a', 'b'])),
    ('dist-train CONFIG 2 --work-dir FOLDER', dict(arguments=['--work-dir', 'FOLDER']))])
def test_options_may_stand_between_arguments(line, several):
    command, *words = line.split()
    args = vars(build_parser(command).parse_args(words))
    assert {name: args[name] for name in several} == several


def test_what_is_wrong_behind_a_subcommand_is_answered_with_its_usage(mmvmr):
    code, text = mmvmr('search', 'query', 'INDEX', 'a ball', '--topk', '3')
    assert code == 2 and 'usage: mmvmr search query' in text and 'Did you mean --top-k?' in text


@pytest.mark.parametrize('name', NAMES)
def test_help_needs_none_of_the_packages_that_take_long(name):
    heavy = {'torch', 'mmengine', 'mmcv', 'cv2', 'scipy', 'pandas', 'matplotlib', 'h5py', 'nltk', 'av', 'transformers'}
    code = (f'import sys\nfrom mmvmr.cli import main\ntry:\n    main([{name!r}, "--help"])\nexcept SystemExit:\n'
            f'    print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr)')
    found = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stderr
    assert found == '[]\n'


def test_what_trains_imports_no_tokenizer_before_there_is_a_sentence_to_cut():
    code = ('import sys\nfrom mmvmr.engine.run import training\nfrom mmvmr.datasets import moment_dataset\n'
            'from mmvmr.evaluation import moment_recall\n'
            'print({"nltk", "textblob"} & set(sys.modules))')
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == 'set()\n'


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGHUP'])
@pytest.mark.parametrize('line, stops', [
    ('moving-shapes', True), ('plant cpl_charades there', True), ('reproduce', True), ('benchmark cnm_charades', True),
    ('train cnm_charades', False), ('test cnm_charades', False)])
def test_a_signal_ends_a_command_as_ctrl_c_does_unless_processes_may_wait_for_it(line, stops, name, mmvmr, monkeypatch):
    number = signal.Signals[name]
    monkeypatch.setattr(module_of(line.split()[0]), 'run', lambda args: signal.raise_signal(number))
    told = []
    for ignored in (False, True):  # as behind nohup
        before = signal.signal(number, signal.SIG_IGN if ignored else lambda *_: told.append(number))
        try:
            code, text = mmvmr(*line.split())
        finally:
            signal.signal(number, before)
        assert (code, 'Stopped.' in text) == ((130, True) if stops and not ignored else (0, False))
    assert len(told) == (not stops)


def test_mmvmr_is_run_as_a_module_too():
    assert re.fullmatch(r'mmvmr \d+\.\d+\.\d+\n', run_tool(['python', '-m', 'mmvmr', '--version']))


# ------------------------------------------------------------------------------------------------------------- configs
def test_configs_are_listed_and_chosen_by_words(capsys):
    run_command('configs')
    listed = capsys.readouterr().out
    assert all(path.stem in listed for path in (REPO / 'configs').glob('*.py')) and 'CPL on Charades-STA' in listed
    run_command('configs', 'cpl', 'charades', '--path')
    assert capsys.readouterr().out == f'{REPO / "configs" / "cpl_charades.py"}\n'
    with pytest.raises(ValueError, match='No config has yolo in its name'):
        run_command('configs', 'yolo')


def test_a_config_of_ones_own_inherits_from_one_by_its_name(tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = 'mmvmr::cpl_charades'\ndim = 128\n")
    assert read_config(tmp_path / 'mine.py').model.encoder.dim == 128
    (tmp_path / 'mine.py').write_text("_base_ = 'mmvmr::cpl_charade'\n")
    with pytest.raises(FileNotFoundError, match="'mmvmr::NAME' is one that comes with mmvmr"):
        read_config(tmp_path / 'mine.py')


def test_a_printed_config_is_a_config_with_all_changes(tmp_path, capsys):
    run_command('print-config', 'cpl_charades', '--cfg-options', 'dim=128')
    text = capsys.readouterr().out
    assert '# dim = 128\n' in text
    (tmp_path / 'printed.py').write_text(text)
    printed, given = read_config(tmp_path / 'printed.py'), read_config('cpl_charades', {'dim': 128})
    assert printed.entries_of_run() == given.entries_of_run()


# ------------------------------------------------------------------------------------------------------------- doctor
def test_the_doctor_finds_nothing_wrong_here(capsys):
    assert run_command('doctor') == 0
    text = capsys.readouterr().out
    assert f'torch            torch {torch.__version__}' in text and 'Nothing that is needed is missing.' in text


def test_the_doctor_says_what_is_missing_and_what_does_not_go_together(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    monkeypatch.setattr(doctor, 'packages_distributions', lambda: dict(mmcv=['mmcv', 'mmcv-lite']))
    monkeypatch.setattr(doctor, 'requires', lambda name: ['numpy>=99', 'tqdm', 'transformers>=99; extra == "clip"'])
    assert run_command('doctor') == 1
    text = capsys.readouterr().out
    assert 'av               missing' in text and 'av cannot be imported' in text
    assert 'mmcv and mmcv-lite are installed over each other' in text
    assert re.search(r'numpy \S+ is installed, mmvmr needs >=99', text)
    assert 'transformers 5' not in text.split('\n\n')[1]
    monkeypatch.setattr(doctor, 'requires', lambda name: ['absent-package'])
    monkeypatch.setattr(doctor, 'version', _not_found)
    assert run_command('doctor') == 1


def test_extras_that_the_doctor_names_exist():
    named = {extra for _, wanted in doctor.OPTIONAL.values() for extra in re.findall(r'\.\[(\w+)\]', wanted)}
    assert named == {'mmcv', 'clip', 'video', 'serve', 'onnx'}
    assert all((REPO / 'requirements' / f'{extra}.txt').is_file() for extra in named)


def test_the_package_is_installed_with_its_constraints_wherever_that_is_said():
    paths = [REPO / 'README.md', *(REPO / 'docs').glob('*.md'), *(REPO / 'mmvmr').rglob('*.py')]
    texts = {path: re.sub(r"'\s*'", '', path.read_text(encoding='utf-8')) for path in paths}  # strings in pieces
    lines = [(path.name, line) for path, text in texts.items()
             for line in re.findall(r'.*(?:mmvmr\[| -e |pip install mmvmr).*', text)]
    assert len(lines) >= 12 and not [line for line in lines if '-c requirements/constraints.txt' not in line[1]]


def _not_found(name):
    raise PackageNotFoundError(name)


# ------------------------------------------------------------------------------------------------------------- models
def test_parameters_and_operations_are_those_of_the_layers():
    table = complexity(read_config('cnm_charades'), words=6)
    # two linear layers: 200 clips of 1024 and 6 words of 300 to 256, and the readout; bias terms are not counted
    linear = 2 * 256 * (200 * 1024 + 6 * 300)
    assert table.loc['encoder', 'answer'] * 1e6 == pytest.approx(linear, rel=0.01)
    assert table.loc['encoder', 'answer'] == table.loc['encoder', 'loss'] < table.loc['all', 'answer']
    parts = table.drop('all')
    assert parts['answer'].sum() == pytest.approx(table.loc['all', 'answer'], rel=1e-3)
    assert 'negatives.hard' not in table.index  # it costs nothing


def test_operations_are_printed(capsys):
    run_command('flops', 'mcmt_moving_shapes', '--words', 4)
    assert 'mcmt_moving_shapes, one pair, 4 words' in capsys.readouterr().out


def test_published_weights_answer_as_the_run_does_and_hold_nothing_of_the_training(tmp_path, tiny_dataset, capsys):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cpl', train_cfg=dict(max_epochs=1))
    make_runner(file, tmp_path / 'run').train()
    run_command('publish', tmp_path / 'run', tmp_path / 'published')
    weights, = (tmp_path / 'published').glob('*.pth')
    assert weights.name == f'config-{sha256_of_files(weights)[:8]}.pth'
    assert set(load_checkpoint(weights)) == {'state_dict', 'inputs'}
    assert weights.stat().st_size < 0.6 * (tmp_path / 'run' / 'epoch_1.pth').stat().st_size
    rows = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    video = VideoFeatures.from_array(rows, name='video', duration=10.0)
    answers = [MomentRetrievalInferencer(tmp_path / name, device='cpu', show_progress=False)(video, 'a red ball moves.')
               for name in ('run', 'published')]
    assert answers[0] == answers[1]
    with pytest.raises(FileExistsError, match='is not replaced'):
        run_command('publish', tmp_path / 'run', tmp_path / 'published')
    run_command('publish', tmp_path / 'run', tmp_path / 'half', '--half')
    half, = (tmp_path / 'half').glob('*.pth')
    assert half.stat().st_size < 0.65 * weights.stat().st_size  # parts that share weights still do
    near = MomentRetrievalInferencer(tmp_path / 'half', device='cpu', show_progress=False)(video, 'a red ball moves.')
    best, other = (answer['predictions'][0]['moments'][0] for answer in (answers[0], near))
    assert other == {name: pytest.approx(value, abs=0.05) for name, value in best.items()}
    run_command('test', file, tmp_path / 'published', '--out', tmp_path / 'p.jsonl')
    assert len((tmp_path / 'p.jsonl').read_text().splitlines()) == 8


@pytest.mark.parametrize('name', ['gpu0', 'cuda:7'])
def test_a_device_that_is_not_here_is_an_error_that_names_those_that_are(tmp_path, tiny_dataset, name):
    file = write_config(tmp_path / 'config.py', tiny_dataset, 'cnm', train_cfg=dict(max_epochs=1))
    make_runner(file, tmp_path / 'run').train()
    with pytest.raises(ValueError, match=rf'The device .{name}. cannot be used: .*[^.]\. Here are cpu.*: choose of'):
        MomentRetrievalInferencer(tmp_path / 'run', device=name)


# --------------------------------------------------------------------------------------------------------------- data
def test_samples_are_drawn_as_the_model_sees_them(tmp_path, tiny_dataset, capsys):
    file = write_config(tmp_path / 'config.py', tiny_dataset)
    run_command('browse-dataset', file, '--out', tmp_path / 'samples', '--num', 2, '--format', 'svg')
    assert '2 of 16 samples of custom (train)' in capsys.readouterr().out
    pictures = sorted((tmp_path / 'samples').iterdir())
    assert [picture.name for picture in pictures] == ['00000_train_0.svg', '00015_train_7.svg']
    query = json.loads(open(tiny_dataset.train['ann_file']).read())[0][3]
    assert f'<!-- train_0  &quot;{query}&quot; -->' in pictures[0].read_text().replace('"', '&quot;')
    with pytest.raises(SystemExit):
        build_parser('browse-dataset').parse_args([file, '--out', 'x', '--split', 'test'])


def test_samples_of_a_model_that_reads_without_a_vocabulary_do_not_say_that_nothing_was_read(tmp_path):
    from mmvmr.visualization.sample_plot import draw_sample

    def heading(words):
        return draw_sample('He sits.', 9.0, [], np.eye(4), words).axes[0].get_title(loc='left')
    assert 'read as: nothing' in heading([]) and 'read as: he' in heading(['he']) and 'read as' not in heading(None)


def test_samples_of_another_split_are_drawn_with_frames_where_there_are_some(tmp_path, tiny_dataset, monkeypatch):
    (tmp_path / 'videos').mkdir()
    (tmp_path / 'videos' / 'val_0.mp4').touch()
    drawn, kept = [], []
    monkeypatch.setattr('mmvmr.visualization.timeline.sample_frames', lambda path, *_: path.name)
    monkeypatch.setattr('mmvmr.visualization.sample_plot.draw_sample', lambda *args: drawn.append(args))
    monkeypatch.setattr('mmvmr.visualization.style.save_figure', lambda figure, path: kept.append(path.name))
    run_command('browse-dataset', write_config(tmp_path / 'config.py', tiny_dataset), '--out', tmp_path / 'samples',
                '--split', 'val', '--num', 2, '--videos', tmp_path / 'videos', '--cfg-options',
                'val_dataloader.dataset.max_words=2')
    assert kept == ['00000_val_0.png', '00007_val_3.png']
    assert [args[5:] for args in drawn] == [('val_0.mp4', 'val_0'), (None, 'val_3')]
    pair = json.loads((tiny_dataset.root / 'val.json').read_text())[0]
    query, duration, spans, clips, words = drawn[0][:5]
    assert [query, duration, spans] == [pair[3], pair[1], [pair[2]]]
    assert words == query.split()[:2] and clips.shape == (16, 8)


def test_the_bar_of_plot_results_comes_to_its_end(tmp_path, capsys):
    pair = dict(sample_idx=0, video_id='v', query='a red ball', duration=20.0, gt_spans=[[3.0, 6.0]],
                pred_spans=[[2.0, 5.0]], pred_scores=[0.5], protocol='custom')
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'predictions.jsonl').write_text(json.dumps(pair))
    run_command('plot-results', *tmp_path.glob('*/predictions.jsonl'), '--out', tmp_path / 'figures')
    assert re.search(r'Scoring: 100%.* 2/2 ', capsys.readouterr().err)


# ---------------------------------------------------------------------------------------------------------- processes
def test_torchrun_gets_what_the_environment_says(monkeypatch):
    seen = []
    monkeypatch.setattr('torch.distributed.run.main', seen.extend)
    for name, value in dict(NNODES='2', NODE_RANK='1', PORT='7', MAX_RESTARTS='3', MASTER_ADDR='127.0.0.1').items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv('LAUNCH_TIME', raising=False)
    launch('train', 4, ['cpl_charades', '--resume'])
    assert {'--nnodes=2', '--nproc_per_node=4', '--max_restarts=3', '--rdzv_endpoint=127.0.0.1:7',
            '--rdzv_conf=is_host=0'} <= set(seen)
    assert seen[-7:] == ['--module', 'mmvmr', 'train', 'cpl_charades', '--resume', '--launcher', 'pytorch']
    assert abs(int(os.environ['LAUNCH_TIME']) - time.time()) < 10
    assert os.environ['TORCH_DISABLE_SHARE_RDZV_TCP_STORE'] == '1'
    for name in ('LAUNCH_TIME', 'TORCH_DISABLE_SHARE_RDZV_TCP_STORE'):
        monkeypatch.delenv(name)


def test_processes_that_cannot_meet_are_refused(monkeypatch):
    with pytest.raises(ValueError, match='at least one process, got 0'):
        launch('train', 0, ['cpl_charades'])
    monkeypatch.setenv('MASTER_ADDR', 'no.such.host.invalid')
    with pytest.raises(ValueError, match='MASTER_ADDR=no.such.host.invalid cannot be reached'):
        launch('train', 1, ['cpl_charades'])
