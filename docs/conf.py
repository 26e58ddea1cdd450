"""Sphinx configuration: ``sphinx-build -W docs docs/_build``. The site needs no network: formulas are MathML."""
import sys
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmvmr.version import __version__  # noqa: E402

project = 'mmvmr'
author = 'the mmvmr authors'
release = __version__
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode']
exclude_patterns = ['_build']
html_theme = 'furo'
html_math_renderer = 'mathml'
html_title = f'mmvmr {release}'
myst_enable_extensions = ['dollarmath', 'colon_fence']
myst_heading_anchors = 3
autodoc_typehints = 'none'
autodoc_member_order = 'bysource'


def _inline(translator, node) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _display(translator, node) -> None:
    translator.body.append(f'<div>{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app) -> None:
    app.add_html_math_renderer('mathml', (_inline, None), (_display, None))
