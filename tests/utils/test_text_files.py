"""Text is read in any plain encoding and packing, and what is no text is named."""
import gzip
import json
import zipfile

import pytest

from mmvmr.datasets.forms import read_queries
from mmvmr.text.building import build_vocabulary
from mmvmr.utils.text_files import open_text, read_json, read_json_lines, read_table, read_text

TEXT = 'He opens the café door.\nTwo.\n'


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-16-be', 'utf-32'])
@pytest.mark.parametrize('packed', ['', 'gz', 'zip'])
def test_encodings_and_packings_are_told_from_the_first_bytes(tmp_path, encoding, packed):
    content, path = TEXT.encode(encoding), tmp_path / 'a.txt'
    if packed == 'zip':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('inner.txt', content)
    else:
        path.write_bytes(gzip.compress(content) if packed else content)
    assert read_text(path) == TEXT
    with open_text(path) as lines:
        assert next(lines) == 'He opens the café door.\n'


def test_latin_1_is_refused_with_the_line_that_converts_it(tmp_path):
    (tmp_path / 'a.txt').write_bytes(TEXT.encode('latin-1'))
    with pytest.raises(ValueError, match=r'a\.txt" is not a text in UTF-8 .*iconv -f latin1 -t utf-8'):
        read_text(tmp_path / 'a.txt')


def test_what_is_cut_off_or_holds_several_files_is_named(tmp_path):
    (tmp_path / 'a.gz').write_bytes(gzip.compress(TEXT.encode() * 100)[:-20])
    with pytest.raises(ValueError, match=r'a\.gz" cannot be unpacked .*Is it cut off'):
        read_text(tmp_path / 'a.gz')
    with zipfile.ZipFile(tmp_path / 'b.zip', 'w') as archive:
        archive.writestr('one.txt', '1')
        archive.writestr('two.txt', '2')
    with pytest.raises(ValueError, match=r'holds 2 files: one\.txt, two\.txt'):
        read_text(tmp_path / 'b.zip')


def test_json_may_stand_in_one_piece_or_on_lines(tmp_path):
    path = tmp_path / 'a'
    for text, values in (('{"a": 1}\n\n{"a": 2}', [{'a': 1}, {'a': 2}]), ('[\n1,\n2]', [[1, 2]]),
                         ('{"a": 1}', [{'a': 1}])):
        path.write_text(text)
        assert read_json_lines(path) == values
    path.write_text('{"a": 1}\n{"a":')
    with pytest.raises(ValueError, match='line 2 is not JSON'):
        read_json_lines(path)
    path.write_text('[1')
    with pytest.raises(ValueError, match='is not a JSON file'):
        read_json(path)


@pytest.mark.parametrize('text, place', [
    ('{"a": {"b": 1, "c": 2, "b": 3}}', ', line 1'), ('{"a": 1}\n{"b": 1, "b": 2}', ', line 2'),
    ('{"a": 1,\n"b": 1, "b": 2}', '')])
def test_a_key_that_stands_twice_loses_nothing_in_silence(tmp_path, text, place):
    path = tmp_path / 'twice.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'twice.json"{place}: the key "b" stands twice in one object'):
        read_json_lines(path)
    with pytest.raises(ValueError, match='twice.json"'):
        read_json(path)


@pytest.mark.parametrize('text', [
    'One.\n\n Two. \n', '["One.", "Two."]', '{"query": "One.", "vid": 3}\n{"query": "Two."}',
    '[{"query": "One."}, {"query": "Two."}]', '[["v", 3.0, null, "One."], ["v", 3.0, [0, 1], "Two."]]',
    '{"v": {"duration": 3, "timestamps": [[0, 1], [1, 2]], "sentences": ["One.", "Two."]}}'])
def test_sentences_are_lines_or_what_json_says(tmp_path, text):
    (tmp_path / 'queries').write_text(text)
    assert read_queries(tmp_path / 'queries') == ['One.', 'Two.']


@pytest.mark.parametrize('text', ['query,video\n"A man, at last, sits.",v\n\nA dog runs. ,w\n,x\n',
                                  'Video;Sentence\nv;A man, at last, sits.\nw;A dog runs.\n'])
def test_sentences_of_a_table_are_its_column(tmp_path, text):
    (tmp_path / 'queries.csv').write_text(text)
    assert read_queries(tmp_path / 'queries.csv') == ['A man, at last, sits.', 'A dog runs.']


def test_sentences_are_found_in_lines_of_charades(tmp_path):
    (tmp_path / 'a.txt').write_text('AO8RW 0.0 6.9##a person sits.\nAO8RW 4 12##the person stands.\n')
    assert read_queries(tmp_path / 'a.txt') == ['a person sits.', 'the person stands.']
    (tmp_path / 'a.txt').write_text('A 1 2##three\nNumber 4 ## five\n')
    assert read_queries(tmp_path / 'a.txt') == ['A 1 2##three', 'Number 4 ## five']


def test_a_table_without_a_column_of_sentences_is_refused(tmp_path):
    (tmp_path / 'queries.csv').write_text('A man, at last, sits.\nA dog runs.\n')
    with pytest.raises(ValueError, match='names of its columns, one of them sentence, query.*sentence on each line'):
        read_queries(tmp_path / 'queries.csv')


def test_only_a_line_feed_ends_a_line(tmp_path):
    (tmp_path / 'a.txt').write_text('A man\x0bwaves.\nTwo\u2028parts.\n', encoding='utf-8')
    assert read_queries(tmp_path / 'a.txt') == ['A man\x0bwaves.', 'Two\u2028parts.']
    (tmp_path / 'a.csv').write_text('id;query\nv;"A man opens\nthe door."\n')
    assert list(read_table(tmp_path / 'a.csv')) == [dict(id='v', query='A man opens\nthe door.')]


@pytest.mark.parametrize('lines, line', [
    (['video,sentence', 'a,It runs.', 'b,"He sits.', 'c,It stops.'], 3),  # else one sentence of two lines
    (['video,sentence', 'a,"It" runs.'], 2), (['video,"sentence', 'a,It runs.'], 1),
    (['video,sentence', 'a,"' + 'It runs. ' * 20000 + '"'], 2)])
def test_quotes_of_a_table_that_would_swallow_rows_are_refused_by_their_line(tmp_path, lines, line):
    (tmp_path / 'a.csv').write_text('\n'.join(lines) + '\n')
    with pytest.raises(ValueError, match=f'a.csv", line {line}: .* a quote within it twice'):
        list(read_table(tmp_path / 'a.csv'))


def test_quotes_within_cells_of_a_table_are_kept(tmp_path):
    (tmp_path / 'a.csv').write_text('video,sentence\na,He says "go".\nb,"He says ""go"", and goes."\n')
    assert [row['sentence'] for row in read_table(tmp_path / 'a.csv')] == ['He says "go".', 'He says "go", and goes.']


def test_two_columns_of_one_name_are_refused(tmp_path):
    (tmp_path / 'a.csv').write_text('video,Sentence,sentence,,\na,It runs.,It stops.,,\n')
    with pytest.raises(ValueError, match='two columns called "sentence"'):
        read_table(tmp_path / 'a.csv')


def test_json_without_sentences_is_refused(tmp_path):
    (tmp_path / 'queries.jsonl').write_text('{"question": "One."}\n{"question": "Two."}')
    with pytest.raises(ValueError, match='not known: a list of 2, the first a dict with question'):
        read_queries(tmp_path / 'queries.jsonl')


@pytest.mark.parametrize('text', ['a\t1\t2\nball\t3\t4\n', 'a\t1 2\nball\t3 4\n', '2 2\na 1 2\nball 3 4\n',
                                  '2\t2\na\t1\t2\nball\t3\t4\n'])
def test_word_vectors_may_be_packed_and_parted_by_tabs(tmp_path, text):
    (tmp_path / 'v.txt.gz').write_bytes(gzip.compress(text.encode()))
    vocabulary, _ = build_vocabulary(tmp_path / 'v.txt.gz', ['a ball.'])
    assert dict(zip(vocabulary.words, vocabulary.vectors[1:].tolist())) == {'a': [1, 2], 'ball': [3, 4]}
    assert json.dumps(vocabulary.provenance['source']) == '"v.txt.gz"'
