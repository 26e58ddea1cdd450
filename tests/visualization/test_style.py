import re

import matplotlib
import pytest

from mmvmr.engine.run.config_file import shipped_configs
from mmvmr.visualization.style import method_styles, new_figure, paper_style, save_figure


@paper_style
def _figure():
    figure = new_figure(8.5, 4)
    figure.subplots().plot([1, 2], [3, 4], label='a')
    figure.axes[0].set_title('$ 5 and 6 %')
    return figure


@pytest.mark.parametrize('kind, head', [('png', b'\x89PNG'), ('svg', b'<?xml'), ('pdf', b'%PDF')])
def test_same_figure_gives_the_same_bytes(tmp_path, kind, head):
    for name in ('one', 'other'):
        save_figure(_figure(), tmp_path / 'new' / f'{name}.{kind}')
    one, other = ((tmp_path / 'new' / f'{name}.{kind}').read_bytes() for name in ('one', 'other'))
    assert one == other and one.startswith(head)
    assert len(list((tmp_path / 'new').iterdir())) == 2


def test_settings_of_the_user_neither_matter_nor_are_changed(tmp_path):
    save_figure(_figure(), tmp_path / 'one.svg')
    with matplotlib.rc_context({'text.usetex': True, 'font.size': 20, 'savefig.bbox': 'tight'}):
        save_figure(_figure(), tmp_path / 'other.svg')
        assert matplotlib.rcParams['font.size'] == 20
    assert (tmp_path / 'one.svg').read_bytes() == (tmp_path / 'other.svg').read_bytes()


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match='png, svg, pdf; ".*x.jpeg"'):
        save_figure(_figure(), tmp_path / 'x.jpeg')


def test_a_method_keeps_its_colour_whoever_else_is_drawn():
    alone, crowd = method_styles(['CPL']), method_styles(['ours', 'mcmt', 'cpl', 'theirs', 'pps'])
    assert alone['CPL'] == crowd['cpl']
    assert len({tuple(look.values()) for look in crowd.values()}) == 5


def test_the_methods_of_all_configs_have_looks_of_their_own():
    names = {re.sub(r'_(charades|activitynet|moving_shapes|qvhighlights|custom)(_slowfast_clip)?$', '', path.stem)
             for path in shipped_configs().glob('*.py')}
    assert len(names) > 15 and all(method_styles([name])[name] == method_styles(['theirs', *names])[name]
                                   for name in names)


def test_thirty_methods_look_different():
    looks = method_styles([f'method {number}' for number in range(30)]).values()
    assert len({tuple(look.values()) for look in looks}) == 30
