"""Which queries does a model answer, and which not?"""
from collections import Counter, defaultdict
from typing import Dict, List, Mapping

import numpy as np
import pandas as pd

from mmvmr.text.tokenizer import main_verb
from mmvmr.utils.tables import format_table

_INF = float('inf')
_BORDERS = {  # name -> upper borders and their labels
    'length': ([0.1, 0.25, 0.5, _INF], ['moment < 10 % of the video', 'moment 10 - 25 %', 'moment 25 - 50 %',
                                        'moment > 50 %']),
    'position': ([1 / 3, 2 / 3, _INF], ['centre in the first third', 'centre in the middle third',
                                        'centre in the last third']),
    'duration': ([15, 30, 60, 120, 240, _INF], ['video up to 15 s', 'video 15 - 30 s', 'video 30 - 60 s',
                                                'video 1 - 2 min', 'video 2 - 4 min', 'video > 4 min']),
    'words': ([5, 8, 12, _INF], ['query up to 5 words', 'query 6 - 8 words', 'query 9 - 12 words',
                                 'query > 12 words']),
}
KINDS = (*_BORDERS, 'verb')
_VERBS = 8  # the most frequent ones have a group


def describe_queries(table: pd.DataFrame) -> Dict[str, np.ndarray]:
    """Length and centre of the (first) annotated moment as fractions of the video, its seconds, words of the query."""
    first = np.array([spans[0] for spans in table['gt_spans']], dtype=float) / table['duration'].to_numpy()[:, None]
    return dict(length=first[:, 1] - first[:, 0], position=first.mean(axis=1), duration=table['duration'].to_numpy(),
                words=table['query'].str.split().str.len().to_numpy())


def group_queries(table: pd.DataFrame, by: str) -> pd.Categorical:
    """The group of each query, by one of ``KINDS``."""
    if by == 'verb':
        return _by_verb(table['query'])
    borders, labels = _BORDERS[by]
    return pd.cut(describe_queries(table)[by], [-_INF, *borders], labels=labels)


def _by_verb(queries: pd.Series) -> pd.Categorical:
    """By the verb, whatever its form; a group has the name of the most frequent form."""
    from nltk.stem.snowball import SnowballStemmer  # slow to import, and training needs none
    stem, forms = SnowballStemmer('english').stem, defaultdict(Counter)
    verbs = [main_verb(query) for query in queries]
    for verb in filter(None, verbs):
        forms[stem(verb)][verb] += 1
    frequent = sorted(forms, key=lambda name: (-forms[name].total(), name))[:_VERBS]
    names: Dict[str, str] = {name: f'verb "{forms[name].most_common(1)[0][0]}"' for name in frequent}
    groups: List[str] = [names.get(stem(verb), 'other verb') if verb else 'no verb found' for verb in verbs]
    return pd.Categorical(groups, [*names.values(), 'other verb', 'no verb found'])


def breakdown(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Means of all metrics, in per cent, for each group of each of ``KINDS``.

    Returns:
        Indexed by kind of group and group; with the number of ``queries``. Empty groups are left out.
    """
    parts = {}
    for by in KINDS:
        grouped = scores.groupby(group_queries(table, by), observed=True)
        parts[by] = (100 * grouped.mean()).assign(queries=grouped.size()).rename(index=str)
    return pd.concat(parts, names=['by', 'group'])


def best_blind(table: pd.DataFrame, blind: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The scores of the best of the blind predictors, column by column, in the groups of :func:`breakdown`.

    Args:
        blind: Of :func:`~mmvmr.evaluation.blind_panel.blind_scores`.
    """
    parts = pd.concat([breakdown(table, scores) for scores in blind.values()])
    return parts.groupby(level=['by', 'group'], sort=False).max()


def breakdown_table(table: pd.DataFrame, scores: pd.DataFrame, blind: Mapping[str, pd.DataFrame],
                    form: str = 'text') -> str:
    """The breakdown beside that of the best blind, as a table, see :func:`~mmvmr.utils.tables.format_table`."""
    keys = [key for key in scores if key.startswith('R@1,') or key in ('rank@1', 'mIoU', 'mAP')]
    best = best_blind(table, blind).reindex(columns=keys)
    head = [key.replace(',', '\n') if form == 'text' else key for key in keys]
    rows = [['', 'queries', *(cell for key in head for cell in (key, 'blind'))]]
    rows += [[group, int(row['queries']), *(f'{value:.2f}' if np.isfinite(value) else '-' for key in keys
                                            for value in (row[key], best.loc[(by, group), key]))]
             for (by, group), row in breakdown(table, scores).iterrows()]
    return format_table(rows, 'by moment, video and query, beside the best blind', form)
