import pytest

from mmvmr.apis.outputs import answer_table, by_query, legend, subtitles


def _prediction(query, *moments, video='v.mp4', unknown_words=(), confidence=None):
    return dict(video=video, query=query, unknown_words=list(unknown_words), confidence=confidence,
                moments=[dict(start=start, end=end, match=match) for start, end, match in moments])


def _rows(table):
    return [line.replace('|', ' ').split() for line in table.splitlines() if line.startswith('|')]


def test_subtitles_come_in_the_order_of_time_and_of_answers_only():
    text = subtitles([_prediction('second\n\nline', (3725.5, 3726.0, 0.5), (0.0, 1.0, 0.4)),
                      _prediction('été', (59.9996, 61.25, 0.5), unknown_words=['zebra']),
                      _prediction('absent', confidence=0.01)])
    assert text == ('1\n00:01:00,000 --> 00:01:01,250\nété\n(read without: zebra)\n\n'
                    '2\n01:02:05,500 --> 01:02:06,000\nsecond line\n')


@pytest.mark.parametrize('query', ['a person sits', '人が座る'])
def test_a_table_has_a_line_per_moment(query):
    table = answer_table([_prediction(query, (61.04, 65.0, 0.2), (0.0, 1.25, 0.5))], 5)
    assert table.splitlines()[0] == f'"{query}"'
    assert _rows(table) == [  # in the order of the model
        ['rank', 'start', 'end', 'match'], ['1', '1:01.0', '1:05.0', '0.200'], ['2', '0:00.0', '0:01.2', '0.500']]


def test_moments_of_several_videos_stand_in_one_table_by_their_match():
    table = answer_table([_prediction('q', (1.0, 2.0, 0.2), (3.0, 4.0, 0.9), video='a'), _prediction(
        'q', (5.0, 6.0, 0.4), video='b'), _prediction('q', video='c', confidence=0.1)], 2)
    assert _rows(table) == [['rank', 'video', 'start', 'end', 'match', 'confidence'],
                            ['1', 'a', '0:03.0', '0:04.0', '0.900', '-'], ['2', 'b', '0:05.0', '0:06.0', '0.400', '-']]
    assert table.endswith('Probably not in 1 of 3 videos.')


def test_what_is_not_answered_or_not_read_is_said():
    assert answer_table([_prediction('q', confidence=0.024)], 5) == (
        '"q"\nProbably not in this video (confidence 0.02).')
    lines = answer_table([_prediction('q', (0.0, 1.0, 0.3), unknown_words=['zebra'], confidence=0.9)], 5).splitlines()
    assert lines[1] == "read without 'zebra', which the model does not know"
    assert _rows('\n'.join(lines))[1] == ['1', '0:00.0', '0:01.0', '0.300', '0.90']


def test_predictions_are_grouped_by_sentence_in_the_order_of_the_sentences():
    predictions = [_prediction(query, video=video) for video in 'ab' for query in ('second', 'first')]
    assert [[(one['query'], one['video']) for one in group] for group in by_query(predictions)] == [
        [('second', 'a'), ('second', 'b')], [('first', 'a'), ('first', 'b')]]


def test_a_sentence_that_was_asked_twice_is_no_sentence_in_several_videos():
    twice = [_prediction('q', (8.0, 9.0, 0.2), (1.0, 2.0, 0.9))] * 2
    assert _rows(answer_table(twice, 1)) == [['rank', 'start', 'end', 'match'], ['1', '0:08.0', '0:09.0', '0.200']]


def test_a_legend_tells_of_the_numbers_that_are_there():
    assert 'match' in legend(False) and 'confidence' not in legend(False)
    assert 'confidence: how sure' in legend(True) and legend(True).startswith(legend(False))
