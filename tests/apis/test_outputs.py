import pytest

from mmvmr.apis.outputs import answer_table, subtitles


def _prediction(query, *moments):
    return dict(query=query, moments=[dict(start=start, end=end, match=0.5) for start, end in moments])


def test_subtitles_come_in_the_order_of_time():
    text = subtitles([_prediction('second\n\nline', (3725.5, 3726.0), (0.0, 1.0)),
                      _prediction('été', (59.9996, 61.25))])
    assert text == ('1\n00:01:00,000 --> 00:01:01,250\nété\n\n'
                    '2\n01:02:05,500 --> 01:02:06,000\nsecond line\n')


@pytest.mark.parametrize('query', ['a person sits', '人が座る'])
def test_a_table_has_a_line_per_moment(query):
    lines = answer_table(_prediction(query, (61.04, 65.0), (0.0, 1.25))).splitlines()
    assert lines[0] == f'"{query}"'
    assert [line.replace('|', ' ').split() for line in lines if line.startswith('|')] == [
        ['rank', 'start', 'end', 'match'], ['1', '1:01.0', '1:05.0', '0.500'], ['2', '0:00.0', '0:01.2', '0.500']]
