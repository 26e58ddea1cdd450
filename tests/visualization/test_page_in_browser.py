"""The page in a real browser, as a person uses it."""
import shutil

import cv2
import numpy as np
import pytest
from records import make_record

from mmvmr.visualization.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='there is no Chromium; on Debian: apt-get install chromium')


@pytest.fixture(scope='module')
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """``show(records, ...)`` writes a page and opens it; the test fails if the browser complains about anything."""
    contexts, complaints = [], []

    def show(records, videos=None, **context):
        write_page(tmp_path / 'page.html', records, 'run', 'val split', videos, frames=4)
        contexts.append(browser.new_context(**{'viewport': dict(width=1300, height=900), **context}))
        page = contexts[-1].new_page()
        page.on('console', lambda message: complaints.append(message.text))
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.on('request', lambda request: complaints.append(f'network: {request.url}')
                if not request.url.startswith(('file:', 'data:')) else None)
        page.goto((tmp_path / 'page.html').as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []


def _many(count):
    """Queries whose annotated moments last 1 to 5 s, and whose IoU is 0, 0.25, 0.5, 0.75, 1, 0, ..."""
    records = []
    for number in range(count):
        length = 1 + number % 5
        chosen = [0.0, length * (number % 5) / 4]  # a part of the annotated moment
        records.append(make_record(number, gt_spans=[[0.0, float(length)]], spans=[chosen, [0.0, float(length)]],
                                   query=f'a {"red" if number % 2 else "blue"} ball, number {number}.'))
    return records


def _video(path, code, seconds=10):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 8, (64, 32))
    for value in range(8 * seconds):
        writer.write(np.full((32, 64, 3), 2 * value, np.uint8))
    writer.release()
    return path


def _wait_until(page, condition):
    """Ask from outside, as the policy of the page keeps Playwright's own waiting out of it."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f'after 10 s it is still not so that {condition}')


def _queries(page):
    return page.locator('.row .sentence').all_text_contents()


def test_first_query_is_open_with_its_moments_words_and_negatives(show):
    page = show([make_record(), make_record(1)])
    assert page.locator('#query').text_content() == 'a red ball moves, number 0.'
    assert 'best of 2: 1.00, candidate 2' in page.locator('#facts').text_content()
    assert page.locator('.line .label').all_text_contents() == [
        '', 'seconds', 'Annotated', 'Chosen', 'Candidate 2', 'easy']
    bar = page.locator('.chosen .bar')
    track = page.locator('.line.chosen .track').bounding_box()
    assert bar.bounding_box()['x'] == pytest.approx(track['x'] + 0.2 * track['width'], abs=1)
    assert bar.bounding_box()['width'] == pytest.approx(0.4 * track['width'], abs=1)
    assert page.locator('.gain').all_text_contents() == ['0.00', '+2.00', '0.00']
    assert page.locator('#maps-part').is_hidden()


def test_filters_and_order_change_the_list(show):
    page = show(_many(20))
    page.fill('#text', 'RED ball')
    assert len(_queries(page)) == 10 and all('red' in query for query in _queries(page))
    page.fill('#text', 'v_7')
    assert _queries(page) == ['a red ball, number 7.']
    page.fill('#text', '')
    page.fill('#length-from', '4')
    page.fill('#length-to', '4')
    assert [query[-3:] for query in _queries(page)] == [' 3.', ' 8.', '13.', '18.']
    page.fill('#length-from', '')
    page.fill('#length-to', '')
    page.fill('#iou-to', '0.1')
    assert page.locator('#summary').text_content() == '4 of 20 queries · mIoU 0.0 % · IoU ≥ 0.5 0.0 %'
    page.fill('#iou-to', '')
    page.select_option('#order', 'Best first')
    assert page.locator('.row .iou').first.text_content() == '1.00'
    page.select_option('#order', 'Worst first')
    assert page.locator('.row .iou').first.text_content() == '0.00'
    page.select_option('#order', 'Missed most: best of K − chosen')
    assert page.locator('.row .iou').first.text_content() == '0.00'
    page.select_option('#order', 'Longest moment first')
    assert _queries(page)[0] == 'a blue ball, number 4.'
    page.fill('#text', 'elephant')
    assert page.locator('#summary').text_content() == 'No query fits these filters.'


def test_bar_of_the_histogram_shows_its_tenth_and_all_again(show):
    page = show(_many(20))
    bars = page.locator('#histogram button')
    bars.first.click()
    assert len(_queries(page)) == 4 and bars.first.get_attribute('aria-pressed') == 'true'
    bars.first.click()
    assert page.locator('#summary').text_content().startswith('20 of 20')


def test_clicking_a_row_opens_it(show):
    page = show(_many(20))
    page.locator('.row').nth(3).click()
    assert page.locator('#query').text_content() == 'a red ball, number 3.'
    assert page.locator('.row[aria-selected=true] .sentence').all_text_contents() == ['a red ball, number 3.']


def test_keyboard_moves_filters_and_plays(show, tmp_path):
    page = show(_many(20), {f'v_{number}': _video(tmp_path / 'v.webm', 'VP80') for number in range(2)})
    for key in ('j', 'ArrowDown', 'j', 'k'):
        page.keyboard.press(key)
    assert page.locator('#query').text_content() == 'a blue ball, number 2.'
    page.keyboard.press('End')
    assert page.locator('#query').text_content() == 'a red ball, number 19.'
    page.keyboard.press('/')
    page.keyboard.type('number 1.')
    page.keyboard.press('Enter')
    page.keyboard.press('j')
    assert page.locator('#query').text_content() == 'a red ball, number 1.'
    _wait_until(page, 'player.playable')
    page.keyboard.press(' ')
    _wait_until(page, "!document.getElementById('video').paused")
    page.keyboard.press(' ')
    _wait_until(page, "document.getElementById('video').paused")
    before = page.evaluate('player.time')
    page.keyboard.press('ArrowRight')
    assert page.evaluate('player.time') == pytest.approx(before + 1)


def test_clicking_a_bar_plays_the_video_from_there(show, tmp_path):
    page = show([make_record(spans=[[2.0, 6.0], [7.0, 9.0]])], dict(v_0=_video(tmp_path / 'v.webm', 'VP80')))
    _wait_until(page, 'player.playable')
    assert page.locator('#playable').text_content() == ''
    page.locator('.other .bar').click()
    _wait_until(page, "document.getElementById('video').currentTime > 7.1")
    assert page.locator('#play').text_content() == 'Pause'
    assert page.evaluate("document.getElementById('video').currentTime") < 10
    page.locator('.line.truth .track').click(position=dict(x=1, y=2))
    assert page.evaluate('player.time') < 2


def test_frames_stand_in_for_a_video_that_the_browser_cannot_play(show, tmp_path):
    page = show([make_record()], dict(v_0=_video(tmp_path / 'v.mp4', 'mp4v')))
    _wait_until(page, 'player.strip')
    page.wait_for_selector('#still:visible')
    assert 'cannot play v.mp4' in page.locator('#playable').text_content()
    page.locator('.truth .bar').click()
    _wait_until(page, 'player.time > 2.05')
    gray = """(() => {
        const pixel = document.createElement('canvas').getContext('2d');
        pixel.drawImage(document.getElementById('still'), 9, 9, 1, 1, 0, 0, 1, 1);
        return pixel.getImageData(0, 0, 1, 1).data[0];
    })()"""
    page.evaluate('pause(); seek(1)')
    assert page.evaluate(gray) == pytest.approx(2 * 10, abs=6)  # of 4 frames the first, from 1.25 s
    page.evaluate('seek(9)')
    assert page.evaluate(gray) == pytest.approx(2 * 70, abs=6)


def test_absent_video_is_said_to_be_absent(show):
    page = show([make_record()])
    assert 'no file of this video' in page.locator('#playable').text_content()
    assert page.locator('#play').is_disabled()


def test_map_is_drawn_and_tells_the_moment_under_the_pointer(show):
    page = show([make_record(maps=[[[0.1, 0.9], [None, 0.2]]])])
    canvas = page.locator('.map canvas')
    pixels = canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 0, 2, 2).data]")
    assert pixels[3::4] == [255, 255, 0, 255]  # the cell that ends before it starts stays empty
    assert pixels[4:7] == [253, 231, 37] and pixels[:3] == [68, 1, 84]
    box = canvas.bounding_box()
    canvas.hover(position=dict(x=0.75 * box['width'], y=0.25 * box['height']))
    assert page.locator('figure output').text_content() == '0.0 – 10.0 s: 0.900'


def test_what_the_data_says_never_becomes_markup(show):
    evil = '</script><img src=x onerror="document.title=1"><script>document.title = "hacked"</script>${script}'
    page = show([make_record(query=evil, video_id=evil, words=[evil] * 3, negatives={evil: [1.0, 0.0]},
                             reconstruction={evil: make_record()['reconstruction']['query']})])
    assert page.locator('#query').text_content() == evil
    assert page.locator('.row .sentence').text_content() == evil
    assert page.title() == 'run' and page.locator('img').count() == 0


def test_injected_script_is_refused_by_the_policy(browser, tmp_path):
    write_page(tmp_path / 'page.html', [make_record()], 'run')
    path = tmp_path / 'page.html'
    path.write_text(path.read_text().replace('</body>', '<script>document.title = "hacked"</script></body>'))
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector('.row')
    assert page.title() == 'run'
    page.close()


@pytest.mark.parametrize('scheme, other', [('light', 'dark'), ('dark', 'light')])
def test_page_follows_the_scheme_of_the_system_until_it_is_switched(show, scheme, other):
    page = show([make_record()], color_scheme=scheme)
    brightness = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0] > 128 ? 'light' : 'dark'"
    assert page.evaluate(brightness) == scheme
    for _ in range(1 if other == 'light' else 2):
        page.locator('#theme').click()
    assert page.evaluate(brightness) == other


def test_narrow_screen_shows_the_list_then_the_query(show):
    page = show(_many(5), viewport=dict(width=400, height=800))
    assert page.locator('#detail').is_hidden()
    page.locator('.row').nth(2).click()
    assert page.locator('#query').is_visible() and page.locator('#list').is_hidden()
    assert page.evaluate('document.documentElement.scrollWidth') <= 400
    page.locator('#back').click()
    assert page.locator('#list').is_visible()


def test_unannotated_queries_have_no_filters_by_iou(show):
    page = show([make_record(gt_spans=[]), make_record(1, gt_spans=[], spans=[], scores=[], masks=[])])
    assert page.locator('#histogram').is_hidden() and page.locator('#iou-from').is_hidden()
    assert 'Worst first' not in page.locator('#order option').all_text_contents()
    page.keyboard.press('j')
    assert 'no prediction' in page.locator('#facts').text_content()


def test_ten_thousand_queries_keep_few_rows_in_the_page(show):
    page = show(_many(10_000))
    assert page.locator('#summary').text_content().startswith('10,000 of 10,000')
    page.locator('#list').evaluate('list => { list.scrollTop = 5000 * ROW_HEIGHT; }')
    _wait_until(page, "document.querySelector('.row').dataset.place > 4900")
    assert 'a blue ball, number 5000.' in _queries(page)
    assert page.locator('.row').count() < 40
    page.keyboard.press('End')
    assert page.locator('#query').text_content() == 'a red ball, number 9999.'
