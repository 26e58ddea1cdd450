"""The page in a real browser, as a person uses it."""
import csv
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

    def show(records, videos=None, problems=(), **context):
        write_page(tmp_path / 'page.html', records, 'run', 'val split', videos, frames=4, problems=problems)
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
    assert page.locator('#answer .moment').text_content() == '2.0 – 6.0 s'
    assert page.locator('#answer dl div').all_text_contents() == ['score0.900', 'annotated2.0 – 4.0 s', 'IoU0.50']
    assert page.locator('.line.chosen .value').text_content() == '2.0 – 6.0 s · 0.900 · 0.50'
    assert page.locator('.line.other .value').text_content() == '2.0 – 4.0 s · 0.100 · 1.00 ★'
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
    assert page.locator('#query').text_content() == 'a red ball, number 1.'  # the first of those that fit
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
    _wait_until(page, '!player.playing')
    assert page.evaluate('player.time') == 4  # the end of the moment
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
    assert 'no prediction' in page.locator('#answer').text_content()
    assert page.locator('.row .mini').last.text_content() == 'no answer'


def test_ten_thousand_queries_keep_few_rows_in_the_page(show):
    page = show(_many(10_000))
    assert page.locator('#summary').text_content().startswith('10,000 of 10,000')
    page.locator('#list').evaluate('list => { list.scrollTop = 5000 * ROW_HEIGHT; }')
    _wait_until(page, "document.querySelector('.row').dataset.place > 4900")
    assert 'a blue ball, number 5000.' in _queries(page)
    assert page.locator('.row').count() < 40
    page.keyboard.press('End')
    assert page.locator('#query').text_content() == 'a red ball, number 9999.'


# ------------------------------------------------------------------------------------------------ answers and addresses
def test_playing_stops_at_the_end_of_the_moment_or_begins_it_again(show, tmp_path):
    page = show([make_record(spans=[[2.0, 2.6], [7.0, 9.0]])], dict(v_0=_video(tmp_path / 'v.webm', 'VP80')))
    _wait_until(page, 'player.playable')
    page.locator('#play-moment').click()
    _wait_until(page, "!player.playing && player.time === 2.6 && document.getElementById('video').paused")
    page.locator('#loop').check()
    page.locator('#play-moment').click()
    page.evaluate('window.starts = 0; const seekOf = seek; seek = (time) => { starts += time === 2; seekOf(time); }')
    _wait_until(page, 'starts > 1 && player.playing')
    page.evaluate('pause(); seek(4)')
    page.locator('#play').click()  # from outside the moment, on and on
    _wait_until(page, 'player.time > 4.5')


def test_the_address_says_what_is_shown_and_leads_back_to_it(show):
    page = show(_many(20))
    page.fill('#text', 'red')
    page.select_option('#order', 'Worst first')
    page.locator('.row').nth(2).click()
    query, address = page.locator('#query').text_content(), page.url
    assert '#text=red&order=Worst+first&query=' in address
    page.goto('about:blank')
    page.goto(address)
    assert page.locator('#query').text_content() == query and len(_queries(page)) == 10
    assert page.locator('.row[aria-selected=true] .sentence').text_content() == query
    page.evaluate("location.hash = '#query=1'")
    _wait_until(page, "document.getElementById('query').textContent === 'a blue ball, number 0.'")
    assert len(_queries(page)) > 10
    page.evaluate("location.hash = '#query=99&order=nothing'")  # of another page
    _wait_until(page, "location.hash === '#query=1'")


def test_the_query_beside_a_filtered_list_is_one_of_it(show):
    page = show(_many(20))
    page.fill('#text', 'number 7.')
    assert page.locator('#query').text_content() == 'a red ball, number 7.'
    page.locator('#text').press('Enter')
    assert page.evaluate('document.activeElement.id') == 'list'


def test_the_list_is_saved_as_a_table(show, tmp_path):
    page = show([make_record(query='=cmd("x"), red'), make_record(1, query='blue'),
                 make_record(2, spans=[], scores=[], masks=[])])
    page.fill('#text', 'red')
    with page.expect_download() as download:
        page.locator('#csv').click()
    download.value.save_as(tmp_path / 'list.csv')
    with open(tmp_path / 'list.csv', encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['sentence'] for row in rows] == ['\'=cmd("x"), red', 'a red ball moves, number 2.']
    assert rows[0] == dict(rows[0], query='1', video='v_0', start='2', end='6', score='0.9', iou='0.5', annotated='2-4')
    assert rows[1]['start'] == rows[1]['iou'] == ''


def test_no_row_shows_a_moment_twice(show):
    page = show([make_record(spans=[[2.0, 6.0], [2.0, 6.02], [2.0, 4.0], [2.0, 4.0]], scores=[0.4, 0.3, 0.2, 0.1],
                             masks=[[0.0, 1.0]] * 4)])
    assert page.locator('.line .label').all_text_contents() == [
        '', 'seconds', 'Annotated', 'Chosen', 'Candidate 3', 'easy']
    assert page.locator('.repeated').text_content() == '2 more are almost the same as these.'


def test_frames_are_from_inside_the_moments_that_they_stand_for(show, tmp_path):
    page = show([make_record(spans=[[7.3, 7.5]], scores=[1.0], gt_spans=[[0.2, 0.6]])],
                dict(v_0=_video(tmp_path / 'v.mp4', 'mp4v')))
    _wait_until(page, 'film.shown.length > 0')
    shown = page.evaluate('film.shown')
    assert any(7.3 < time < 7.5 for time in shown) and any(0.2 < time < 0.6 for time in shown)
    assert shown == sorted(shown)
    lines = """(() => { const film = document.getElementById('film');
        const { data, width } = film.getContext('2d').getImageData(0, film.height - 8, film.width, 8);
        return [6, 2].map((line) => [...Array(width).keys()].filter((x) => data[4 * (line * width + x) + 3])
            .map((x) => x / width * 10)); })()"""
    chosen, truth = page.evaluate(lines)  # seconds of the frames that are underlined
    assert chosen[0] <= 7.3 and 7.45 < chosen[-1] < 9 and truth[0] == 0 and 0.55 < truth[-1] < 3


def test_what_was_not_read_or_not_answered_is_said(show):
    page = show([make_record(unknown_words=['zebra', '<b>'], confidence=0.93, gt_spans=[]),
                 make_record(1, spans=[], scores=[], masks=[], gt_spans=[], confidence=0.02,
                             unanswered='Probably not in this video (confidence 0.02).')],
                problems=[dict(query='q', error='The model knows no word of <i>.')])
    assert page.locator('#answer .warning').text_content() == (
        'Read without “zebra”, “<b>”: the model does not know these words.')
    assert 'confidence0.93' in page.locator('#answer dl').text_content()
    assert page.locator('#problems summary').text_content() == '1 not answered'
    assert page.locator('#problems li').text_content() == 'The model knows no word of <i>.'
    page.keyboard.press('j')
    assert 'Probably not in this video' in page.locator('#answer').text_content()
    assert page.locator('#play-moment').count() == 0


def test_a_long_video_has_all_its_times_in_minutes_and_says_what_part_the_curve_is_of(show):
    record = dict(make_record(), duration=3900.0, gt_spans=[], spans=[[3060.0, 3075.0], [556.0, 571.0]],
                  frame_scores=[0.0, 0.5, 0.0], window=[525.0, 675.0])
    page = show([record])
    shown = page.locator('#timeline').text_content() + page.locator('#clock').text_content()
    assert '51:00.0 – 51:15.0' in shown and '9:16.0 – 9:31.0' in shown and '51:00.0 / 65:00.0' in shown
    assert 'the part that the model looked at for this answer, 8:45.0 – 11:15.0' in shown and '556' not in shown


def test_two_runs_are_seen_side_by_side(show):
    records = _many(5)  # IoU 0, 0.25, 0.5, 0.75 and 1
    for record, iou in zip(records, (0.4, 0.25, 0.0, 1.0, 1.0)):
        record['other'] = [0.0, iou * record['gt_spans'][0][1]]
    page = show(records)
    assert 'better than the other run 1, worse 2, both below 0.5 2' in page.locator('#summary').text_content()
    for order, numbers in (('Better than the other run first', '2'), ('Worse than the other run first', '03'),
                           ('Both runs wrong first', '10')):
        page.select_option('#order', order)
        assert [query[-2] for query in _queries(page)][:len(numbers)] == list(numbers)
    page.locator('.row').nth(1).click()
    assert page.locator('.line.rival .value').text_content() == '0.0 – 0.4 s · 0.40'
    assert 'IoU of the other run0.40' in page.locator('#answer dl').text_content()


# ------------------------------------------------------------------------------------------------------ sizes, contrast
@pytest.mark.parametrize('size', [(1300, 800), (390, 844)])
def test_the_answer_and_its_timeline_are_above_the_fold(show, tmp_path, size):
    page = show(_many(5), {'v_0': _video(tmp_path / 'v.webm', 'VP80')}, viewport=dict(width=size[0], height=size[1]))
    if size[0] < 900:
        page.locator('.row').first.click()
    _wait_until(page, 'player.playable')
    for part in ('#screen', '#answer .moment', '#play-moment', '.line.chosen .track'):
        box = page.locator(part).bounding_box()
        assert 0 <= box['y'] and box['y'] + box['height'] <= size[1], part
    bar, track = (page.locator(f'.line.chosen {part}').bounding_box() for part in ('.bar', '.track'))
    assert track['y'] <= bar['y'] and bar['y'] + bar['height'] <= track['y'] + track['height']
    assert page.locator('#words').is_hidden()
    page.locator('#words-part summary').click()
    assert page.locator('.gain').first.is_visible()
    for element in page.locator('.label, .value, .tick, button:visible, dd').all():
        if element.is_visible():
            box = element.bounding_box()
            assert box['x'] >= 0 and box['x'] + box['width'] <= size[0]


CONTRASTS = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (node) => {
    const color = rgba(node ? getComputedStyle(node).backgroundColor : 'white');
    return color[3] === 255 ? color : behind(node.parentElement);
  };
  const ratio = (one, other) => {
    const [low, high] = [light(rgba(one)), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility()
    && !node.matches('.spoken') && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  const bars = [...document.querySelectorAll('.bar, .mini i')];
  return [
    ...texts.map((node) => [node.textContent, ratio(getComputedStyle(node).color, behind(node)), 4.5]),
    ...bars.map((bar) => [bar.className, ratio(getComputedStyle(bar).backgroundColor, behind(bar.parentElement)), 3]),
  ].filter(([, found, least]) => found < least);
})()"""


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_texts_and_bars_stand_out_from_what_is_behind_them(show, scheme):
    page = show([make_record(unknown_words=['zebra'], components=dict(spans=[[1.0, 2.0]], masks=[[0.0, 1.0]]))],
                color_scheme=scheme, problems=[dict(error='no')])
    page.locator('#words-part summary').click()
    assert page.evaluate(CONTRASTS) == []
