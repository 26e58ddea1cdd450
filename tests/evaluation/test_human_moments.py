"""People as predictors, worked out by hand."""
import pandas as pd
import pytest

from mmvmr.evaluation.human_moments import human_line, read_human_moments
from mmvmr.evaluation.protocols import find_protocol

HEAD = 'HITId,video_id,description,start,end\n'


@pytest.fixture
def moments(tmp_path):
    """Two people about one query, one about another, nobody about a third; one moment ends before it starts."""
    rows = [f'x,v1.mp4, He sits.,{times}\n' for times in ('0,50', '0,30', '60,60')]
    (tmp_path / 'a.csv').write_text(HEAD + ''.join(rows))
    (tmp_path / 'b.csv').write_text(HEAD + 'y,v2,she stands,0,100\n')
    return read_human_moments([tmp_path / 'a.csv', tmp_path / 'b.csv'])


def _queries(*rows):
    return pd.DataFrame([dict(video_id=video, query=query, duration=20.0, gt_spans=spans)
                         for video, query, spans in rows])


def test_people_are_scored_by_query_then_over_queries(moments):
    queries = _queries(('v1', 'he sits', [[0.0, 10.0]]), ('v2', 'she stands', [[0.0, 5.0]]), ('v3', 'a', [[0.0, 5.0]]))
    line = human_line(queries, moments, find_protocol('charades_sta/filtered'))
    assert line.count == 2
    assert line.scores['mIoU'] == pytest.approx(100 * ((1 + 0.6) / 2 + 0.25) / 2)
    assert line.scores['R@1,IoU=0.7'] == pytest.approx(100 * (0.5 + 0) / 2)


def test_of_a_sentence_that_stands_twice_the_moment_that_fits_counts(moments):
    queries = _queries(('v1', 'he sits', [[15.0, 20.0]]), ('v1', 'he sits', [[0.0, 10.0]]))
    assert human_line(queries, moments, find_protocol('custom')).scores['mIoU'] == pytest.approx(80)


def test_there_is_no_line_where_nobody_was_asked(moments):
    assert human_line(_queries(('v9', 'he sits', [[0.0, 1.0]])), moments, find_protocol('custom')) is None


@pytest.mark.parametrize('text, message', [
    ('video,start\nv,1\n', 'has the columns video, start; expected video_id, description'),
    ('', 'a.csv" is no CSV with the columns video_id, description, start, end .No columns'),
    (HEAD + 'x,v,,0,30\n', 'a.csv": row 1 has no video_id or no description'),
    (HEAD + 'x,v,a,0,30\nx, ,he sits,0,30\n', 'row 2 has no video_id'),
    (HEAD + 'x,v,he sits,0,130\n', 'not between 0 and 100'), (HEAD + 'x,v,he sits,soon,30\n', 'not between 0 and 100')])
def test_files_of_another_form_are_refused(tmp_path, text, message):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_human_moments([tmp_path / 'a.csv'])


def test_words_that_pandas_would_take_for_nothing_are_words_and_an_encoding_is_named(tmp_path):
    (tmp_path / 'a.csv').write_text(HEAD + 'x,v,null,0,30\n')
    assert read_human_moments([tmp_path / 'a.csv']) == {('v', 'null'): [(0.0, 0.3)]}
    (tmp_path / 'a.csv').write_bytes((HEAD + 'x,v,café,0,30\n').encode('latin-1'))
    with pytest.raises(ValueError, match='a.csv" is not a text in UTF-8'):
        read_human_moments([tmp_path / 'a.csv'])
