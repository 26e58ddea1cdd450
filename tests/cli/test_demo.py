"""The first answer: a run and a video that come with the package."""
import socket
import webbrowser

import pytest
from runs import REPO, run_command

FILES = REPO / 'mmvmr' / 'apis' / 'demo_files'


def test_the_demo_answers_a_sentence_and_writes_its_page_without_a_network(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(webbrowser, 'open', lambda address: opened.append(address) or True)
    monkeypatch.setattr(socket.socket, 'connect', lambda *_: pytest.fail('the network was asked'))
    monkeypatch.chdir(tmp_path)
    run_command('demo', 'A green box rises.', 'A yellow star spins.', '--out', 'demo')
    text = capsys.readouterr().out
    start = float(text.split('|    1 | 0:')[1].split('|')[0])
    assert 7.1 < start < 10.1  # it does from 8.1 to 15.0 s
    assert text.count('Probably not in this video') == 1 and text.index('yellow') < text.index('Probably')
    assert opened == [(tmp_path / 'demo' / 'page.html').as_uri()]
    assert (tmp_path / 'demo' / 'shapes.mp4').read_bytes() == (FILES / 'shapes.mp4').read_bytes()
    with pytest.raises(FileExistsError, match='Choose another folder'):
        run_command('demo', '--out', 'demo')


def test_the_files_of_the_demo_are_small():
    assert sum(path.stat().st_size for path in FILES.rglob('*')) < 3 * 2**20
