"""Tables for a terminal, a page or a paper."""
from typing import List, Sequence

from terminaltables import AsciiTable

FORMS = ('text', 'markdown', 'latex')
_SPECIAL = {character: f'\\{character}' for character in '&%$#_{}'} | {
    '\\': r'\textbackslash{}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}', '<': '$<$', '>': '$>$',
    '±': r'$\pm$'}


def format_table(rows: Sequence[Sequence[str]], title: str = '', form: str = 'text', rule: bool = False) -> str:
    """A table as text, in Markdown, or in LaTeX with the rules of ``booktabs``.

    Args:
        rows: The first is the header.
        form: One of ``FORMS``.
        rule: Set the last row apart.

    Example:
        >>> print(format_table([['', 'R@1'], ['ours', '50.00']], form='markdown'))
        |  | R@1 |
        |---|---:|
        | ours | 50.00 |
    """
    rows = [[str(cell) for cell in row] for row in rows]
    if form == 'text':
        table = AsciiTable(rows, f' {title} ' if title else None)
        table.inner_footing_row_border = rule
        left_out = title and len(title) + 4 > table.table_width  # by terminaltables
        return f'{title}\n{table.table}' if left_out else table.table
    if form == 'markdown':
        lines = ['| ' + ' | '.join(row).replace('*', r'\*') + ' |' for row in rows]
        return '\n'.join([*([f'**{title}**', ''] if title else []), lines[0], '|---|' + '---:|' * (len(rows[0]) - 1),
                          *lines[1:]])
    return '\n'.join(_latex(rows, title, rule))


def _latex(rows: List[List[str]], title: str, rule: bool) -> List[str]:
    head, *body = [' & '.join(''.join(_SPECIAL.get(character, character) for character in cell) for cell in row)
                   + r' \\' for row in rows]
    if rule:
        body.insert(-1, r'\midrule')
    return [*([f'% {title}'] if title else []), rf'\begin{{tabular}}{{l{"r" * (len(rows[0]) - 1)}}}', r'\toprule', head,
            r'\midrule', *body, r'\bottomrule', r'\end{tabular}']
