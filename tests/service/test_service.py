"""A model behind HTTP: the same answers as ``mmvmr infer``, and nothing that was sent can harm it."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from types import SimpleNamespace

import pytest
import uvicorn
from runs import REPO, run_command
from videos import write_frames

from mmvmr.cli import infer
from mmvmr.cli.serve import listen
from mmvmr.service.app import Limits, make_app
from mmvmr.service.model_process import Model, ModelProcess
from mmvmr.service.uploads import MOST, Uploads

FILES = REPO / 'mmvmr' / 'apis' / 'demo_files'
RUN, VIDEO = FILES / 'mmvmr_best_moving_shapes', (FILES / 'shapes.mp4').read_bytes()
SENTENCE = 'A green box rises.'


class Server(SimpleNamespace):
    """A service at work: ``port``, ``model``, ``uploads``."""

    def ask(self, method='GET', path='/', body=None, **headers):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        connection.request(method, path, body, {name.replace('_', '-'): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=text,
                               json=json.loads(text) if 'json' in (answer.getheader('content-type') or '') else None)

    def post(self, video=None, *sentences, name='shapes.mp4', path='/v1/moments', headers=None, **fields):
        body, kind = form(video, name, [('sentence', text) for text in sentences] + list(fields.items()))
        return self.ask('POST', path, body, Content_Type=kind, **(headers or {}))


def form(video, name, fields):
    """A form as browsers send it."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
             for key, value in fields]
    if video is not None:
        parts.append(f'--x\r\nContent-Disposition: form-data; name="video"; filename="{name}"\r\nContent-Type: '
                     'application/octet-stream\r\n\r\n'.encode() + video + b'\r\n')
    return b''.join([*parts, b'--x--\r\n']), 'multipart/form-data; boundary=x'


@contextmanager
def serving(model, limits, keep=60):
    with listen('127.0.0.1', 0) as listening, closing(Uploads(keep)) as uploads:
        server = uvicorn.Server(uvicorn.Config(make_app(model, uploads, limits, ['gpu-box']), log_level='error',
                                               timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs=dict(sockets=[listening]))
        thread.start()
        try:
            yield Server(port=listening.getsockname()[1], model=model, uploads=uploads)
        finally:
            model.close()
            server.should_exit = True
            thread.join()
    assert not uploads.folder.exists()


@pytest.fixture(scope='module')
def service():
    model = ModelProcess(Model(str(RUN)), 60)
    model.start()
    with serving(model, Limits(2 * 2**20, 60, 20)) as server:
        yield server


class Waits:
    """A model that answers when it is told to, and counts how many it is asked at once."""
    model = Model('run')

    def __init__(self):
        self.go, self.asked, self.at_once, self.most = threading.Event(), 0, 0, 0

    def ask(self, question):
        self.asked, self.at_once = self.asked + 1, self.at_once + 1
        self.most = max(self.most, self.at_once)
        self.go.wait(20)
        self.at_once -= 1
        return dict(predictions=[], errors=[])

    def close(self):
        self.go.set()


@pytest.fixture
def waits():
    with serving(Waits(), Limits(2**20, 2, 3), keep=0.5) as server:
        yield server


def until(fits):
    deadline = time.monotonic() + 20
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def raise_broken_pipe():
    raise BrokenPipeError


def test_a_video_and_sentences_are_answered_as_by_infer(service, tmp_path, monkeypatch):
    sentences = [SENTENCE, 'A yellow star spins.', 'A man opens the fridge.']
    with monkeypatch.context() as patch, pytest.raises(BrokenPipeError):  # as in `mmvmr infer ... | head -1`
        patch.setattr(infer, 'show', lambda *_: raise_broken_pipe())
        run_command('infer', RUN, FILES / 'shapes.mp4', *sentences, '--top-k', '2', '--json', tmp_path / 'a.json')
    expected = json.loads((tmp_path / 'a.json').read_text())
    answer = service.post(VIDEO, *sentences, top_k=2)
    assert answer.status == 200
    video_id = answer.json.pop('video_id')
    for prediction in expected['predictions']:
        prediction['video'] = 'shapes.mp4'
    assert answer.json == expected and len(expected['errors']) == 1
    again = service.post(None, 'A yellow star spins.', video_id=video_id, min_confidence=0.5)
    assert again.status == 200 and again.json['predictions'][0]['moments'] == []


def test_the_form_of_the_page_leads_to_the_page_with_the_answer_and_its_video(service):
    face = service.ask()
    assert face.status == 200 and b'name="video"' in face.body and b"form-action 'self'" in face.body
    answer = service.post(VIDEO, f'{SENTENCE}\r\nA yellow star spins.', path='/', name='my <b>film</b>.mp4')
    assert answer.status == 303
    address = answer.headers['location']
    page = service.ask(path=address.split('#')[0])
    assert page.status == 200 and page.headers['content-type'].startswith('text/html') and address.endswith('#query=1')
    assert page.body.count(b'A yellow star spins.') > 1 and b'probably not in this video' in page.body.lower()
    assert b'b>.mp4' in page.body and b'<b>' not in page.body
    source = address.rsplit('/', 1)[0] + '/video'
    assert b'"source":"video"' in page.body and service.ask(path=source).body == VIDEO
    assert service.ask(path='/v1/health').json['status'] == 'ok'


@pytest.mark.skipif(shutil.which('chromium') is None, reason='there is no Chromium')
def test_a_person_asks_on_the_page_and_sees_the_answer(service):
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox'])
        page = browser.new_page(viewport=dict(width=390, height=844))
        complaints = []
        page.on('console', lambda message: complaints.append(message.text))
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.goto(f'http://127.0.0.1:{service.port}/')
        page.set_input_files('input[name=video]', dict(name='a.mp4', mimeType='video/mp4', buffer=bytes(3 * 2**20)))
        assert 'too large' in page.evaluate("element('ask').elements.video.validationMessage")
        page.set_input_files('input[name=video]', FILES / 'shapes.mp4')
        page.fill('textarea', SENTENCE)
        page.click('#ask button')
        page.wait_for_selector('.moment')
        page.wait_for_function('player.playable')
        assert page.locator('.moment').text_content().startswith('8.4') and page.locator('.moment').is_visible()
        page.reload()
        page.wait_for_selector('.moment')
        page.click('#back')
        page.fill('textarea', '')
        page.locator('textarea').press_sequentially('A joke / a kick')  # keys that the page has a use for elsewhere
        assert page.locator('textarea').input_value() == 'A joke / a kick'
        page.fill('textarea', 'A yellow star spins.')  # about the same video, which is not sent again
        page.click('#ask button')
        page.wait_for_selector('.none')
        assert 'Probably not in this video' in page.locator('.none').text_content() and not complaints
        browser.close()


def test_a_browser_can_jump_in_a_video(service):
    video_id = service.post(VIDEO, SENTENCE).json['video_id']
    part = service.ask(path=f'/videos/{video_id}/video', Range='bytes=1000-1999')
    assert part.status == 206 and part.body == VIDEO[1000:2000]
    assert part.headers['content-range'] == f'bytes 1000-1999/{len(VIDEO)}'
    assert service.ask(path=f'/videos/{video_id}/video', Range='bytes=99999999-').status == 416


def test_what_cannot_be_used_is_refused_with_the_reason_in_json_and_on_the_page(service, tmp_path):
    def sound():
        write_frames(tmp_path / 'a.mkv', [], sound=2)
        return (tmp_path / 'a.mkv').read_bytes()

    def text(video, *sentences, **fields):
        answer = service.post(video, *sentences, **fields)
        assert answer.status == (404 if 'video_id' in fields else 422)
        page = service.post(video, *sentences, path='/', **fields)
        assert page.status == answer.status and b'name="video"' in page.body
        assert json.dumps(answer.json['error'])[1:-1].replace('<', '\\u003c').encode() in page.body
        assert 'mmvmr_serve' not in answer.json['error']
        return answer.json['error']

    before = len(service.uploads)
    assert '"shapes.mp4" cannot be decoded' in text(b'no video' * 999, SENTENCE)
    assert '"shapes.mp4" cannot be decoded' in text(VIDEO[:5000], SENTENCE)
    assert 'is empty' in text(b'', SENTENCE)
    assert 'only sound' in text(sound(), SENTENCE)
    assert 'only sound' in text(sound(), SENTENCE, name='a.npy')
    assert 'no video' in text(None, SENTENCE)
    assert 'Send it again' in text(None, SENTENCE, video_id='../../etc')
    assert len(service.uploads) == before
    assert 'no sentence' in text(VIDEO, ' \r\n ')
    assert '1001 letters' in text(VIDEO, 'a' * 500 + '\u2028' + 'a' * 500), 'only a line feed ends a sentence'
    assert '101' in text(VIDEO, *[f'a red box {number}' for number in range(101)])
    assert '1001 letters' in text(VIDEO, 'a' * 1001)
    assert '`top_k` must be a number from 1 to 100' in text(VIDEO, SENTENCE, top_k='0')
    assert 'JSON is not read' in service.ask('POST', '/v1/moments', '{"sentence": "x"}',
                                             Content_Type='application/json').json['error']
    assert '`topk` is no field' in text(VIDEO, SENTENCE, topk='2')
    assert '`min_confidence`' in text(VIDEO, SENTENCE, min_confidence='nan')
    assert "'man', 'opens', 'fridge'" in text(VIDEO, 'A man opens the fridge.')


def test_a_sentence_that_cannot_be_read_costs_no_second_upload(service):
    page = service.post(VIDEO, 'A man opens the fridge.', path='/').body.decode()
    video_id = page.split('name="video_id" value="')[1].split('"')[0]
    assert 'A man opens the fridge.</textarea>' in page
    assert service.post(None, SENTENCE, video_id=video_id).status == 200


def test_too_large_a_video_is_refused_whether_it_says_so_or_not(service):
    assert service.post(bytes(3 * 2**20), SENTENCE).status == 413
    body, kind = form(bytes(3 * 2**20), 'a.mp4', [])
    pieces = (body[start:start + 2**16] for start in range(0, len(body), 2**16))
    connection = http.client.HTTPConnection('127.0.0.1', service.port, timeout=20)
    try:
        connection.request('POST', '/v1/moments', pieces, {'Content-Type': kind}, encode_chunked=True)
    except ConnectionError:  # it is told before all has been sent
        pass
    assert connection.getresponse().status == 413
    connection.close()


def test_no_path_leads_to_a_file(service):
    video_id = service.post(VIDEO, SENTENCE).json['video_id']
    (service.uploads.folder / video_id / 'other.html').write_text('secret')
    for path in (f'/videos/{video_id}/other.html', '/videos/../../etc/passwd', '/videos/..%2f..%2fetc/passwd',
                 f'/videos/{video_id}/..%2f{video_id}%2fvideo', f'/videos/{video_id}/%2e%2e/video', '/videos/./video',
                 f'/videos/{video_id}/', '/videos//video', '//etc/passwd', f'/{video_id}/video', '/v1/nothing'):
        assert service.ask(path=path).status == 404
    name = '../../../../tmp/evil.mp4'
    assert service.post(VIDEO, SENTENCE, name=name).json['predictions'][0]['video'] == 'evil.mp4'
    assert {path.name for folder in service.uploads.folder.iterdir() for path in folder.iterdir()
            if path.suffix != '.html'} == {'video'}


def test_other_sites_can_neither_ask_nor_embed(service):
    for name, value, status in (
            ('Origin', 'http://evil.example', 403), ('Origin', 'null', 403), ('Host', 'evil.example', 403),
            ('Host', '127.0.0.1.x', 403), ('Host', '', 403), ('Origin', f'http://127.0.0.1:{service.port}', 422),
            ('Host', 'localhost:80', 422), ('Host', 'gpu-box:80', 422), ('Host', '192.168.1.5', 422),
            ('Host', '[::1]:80', 422)):
        answer = service.post(None, SENTENCE, headers={name: value})
        assert (answer.status, bool(answer.json['error'])) == (status, True), (name, value)
    assert service.ask(Host='evil.example').status == 403
    headers = service.ask().headers
    assert "frame-ancestors 'none'" in headers['content-security-policy']
    assert headers['x-content-type-options'] == 'nosniff'
    assert 'access-control-allow-origin' not in headers


def test_ten_at_once_are_answered_one_by_one_and_more_are_told_to_come_again(waits):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(waits.post(VIDEO, 'a b'))) for _ in range(10)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) == 6)
    assert {answer.status for answer in answers} == {503} and answers[0].headers['retry-after']
    waits.model.go.set()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] * 4 + [503] * 6
    assert waits.model.most == 1 and waits.ask(path='/v1/health').json['asked'] == 0


@pytest.mark.parametrize('share', [1, 0.5])
def test_a_client_that_is_gone_costs_no_answer_and_leaves_nothing(waits, share):
    threading.Thread(target=lambda: waits.post(VIDEO, 'a b'), daemon=True).start()
    until(lambda: waits.model.asked == 1)
    body, kind = form(VIDEO, 'a.mp4', [('sentence', 'a b')])
    with socket.create_connection(('127.0.0.1', waits.port)) as client:
        client.sendall(f'POST /v1/moments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: '
                       f'{len(body)}\r\n\r\n'.encode() + body[:round(share * len(body))])
        until(lambda: waits.ask(path='/v1/health').json['asked'] == 2)
        until(lambda: share < 1 or len(waits.uploads) == 2)
    until(lambda: waits.ask(path='/v1/health').json['asked'] == 1 and len(waits.uploads) == 1)
    waits.model.go.set()
    until(lambda: waits.ask(path='/v1/health').json['asked'] == 0)
    assert waits.model.asked == 1 and waits.post(VIDEO, 'c d').status == 200
    until(lambda: not list(waits.uploads.folder.iterdir()))  # also what was answered, after its time


def test_an_upload_that_takes_too_long_is_given_up(waits):
    with socket.create_connection(('127.0.0.1', waits.port), timeout=20) as client:
        client.sendall(b'POST /v1/moments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n'
                       b'Content-Type: multipart/form-data; boundary=x\r\n\r\n--x')
        assert client.recv(1000).startswith(b'HTTP/1.1 408')


def test_a_video_that_nobody_asks_for_is_deleted_but_never_one_that_is_waited_for(tmp_path):
    with closing(Uploads(0.05)) as uploads, open(__file__, 'rb') as file:
        kept, left = uploads.add(file, 'a'), uploads.add(file, 'b')
        kept.questions = 1
        time.sleep(0.1)
        assert uploads.get(left.id) is None and not left.folder.exists() and uploads.get(kept.id) is kept
    assert not kept.folder.exists()
    with closing(Uploads(60)) as uploads, open(__file__, 'rb') as file:
        first = uploads.add(file, 'a')
        later = [uploads.add(file, 'b') for _ in range(MOST)]
        assert uploads.get(first.id) is None and len(uploads) == MOST and later[-1].folder.exists()


def test_a_process_that_takes_too_long_or_dies_is_replaced(service, tmp_path):
    video_id = service.post(VIDEO, SENTENCE).json['video_id']
    service.model.seconds = 0.001
    try:
        answer = service.post(None, *[SENTENCE] * 50, video_id=video_id)
    finally:
        service.model.seconds = 60
    assert answer.status == 422 and 'took longer than 0.001 s' in answer.json['error']
    assert service.post(None, SENTENCE, video_id=video_id).status == 200
    threading.Timer(0.1, service.model._process.kill).start()
    answer = service.post(None, *[SENTENCE] * 100, video_id=video_id)
    assert answer.status == 422 and 'has ended the process' in answer.json['error']
    assert service.post(None, SENTENCE, video_id=video_id).json['predictions'][0]['moments']


@pytest.mark.parametrize('signals', [['SIGTERM'], ['SIGHUP'], ['SIGINT', 'SIGINT']])
def test_the_command_serves_the_demo_until_it_is_ended_and_leaves_nothing(signals, tmp_path):
    code = ('import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where tests run behind nohup\n'
            'from mmvmr.cli import main; main(["serve", "--port", "0"])')
    with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          cwd=REPO, env=dict(os.environ, TMPDIR=str(tmp_path))) as process, ExitStack() as cleanup:
        cleanup.callback(process.kill)
        server = Server(port=int(re.search(r':(\d+) ', process.stdout.readline()).group(1)))
        assert server.post(VIDEO, SENTENCE).status == 200 and list(tmp_path.glob('mmvmr_serve_*'))
        asking = threading.Thread(target=lambda: server.post(VIDEO, *[SENTENCE] * 100))
        asking.start()
        until(lambda: server.ask(path='/v1/health').json['asked'])
        for name in signals:
            process.send_signal(signal.Signals[name])
            time.sleep(0.2)
        _, errors = process.communicate(timeout=20)
        asking.join()
    assert 'Traceback' not in errors and 'leaked' not in errors
    assert not list(tmp_path.glob('mmvmr_serve_*'))


def test_what_is_missing_is_told_before_anything_is_opened(monkeypatch, tmp_path):
    with listen('127.0.0.1', 0) as taken, pytest.raises(OSError, match='Choose another --port'):
        run_command('serve', '--port', str(taken.getsockname()[1]))
    with pytest.raises(ValueError, match='--host is empty'):
        run_command('serve', '--host', '')
    with pytest.raises(ValueError, match='one of both'):
        run_command('serve', 'run', '--zero-shot', 'clip')
    for name in [name for name in sys.modules if name.startswith('mmvmr.service')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'uvicorn', None)
    with pytest.raises(ModuleNotFoundError, match=r'needs uvicorn.* pip install .* -e "\.\[serve\]"'):
        run_command('serve')


def test_a_model_that_cannot_be_opened_is_told_of_at_once_and_once(tmp_path, capfd):
    with pytest.raises(ValueError, match='There is no'):
        ModelProcess(Model(str(tmp_path / 'absent')), 60).start()
    assert 'Traceback' not in capfd.readouterr().err
