"""Modules that a config names."""
import pytest

from mmvmr.utils.imports import import_modules


@pytest.mark.parametrize('code, message', [
    ('import a_missing_package', "Failed to import part_of_mine: No module named 'a_missing_package'.$"),
    ('from math import sinus', "Failed to import part_of_mine: cannot import name 'sinus'"),
    (None, "No module named 'part_of_mine'. Is it installed, or its folder on PYTHONPATH")])
@pytest.mark.parametrize('names', ['part_of_mine', ['math', 'part_of_mine'], ('part_of_mine',)])
def test_a_module_that_cannot_be_imported_is_named_with_the_reason(tmp_path, monkeypatch, code, message, names):
    monkeypatch.syspath_prepend(tmp_path)
    if code:
        (tmp_path / 'part_of_mine.py').write_text(code)
    with pytest.raises(ImportError, match=message):
        import_modules(names)


def test_a_module_of_a_package_that_is_not_found_is_looked_for_on_the_path():
    with pytest.raises(ImportError, match="nobodys.slices: No module named 'nobodys'. .*PYTHONPATH=. for the folder"):
        import_modules(['nobodys.slices'])


def test_nothing_need_be_imported():
    import_modules(None)
    import_modules(())
    with pytest.warns(UserWarning, match='failed to import and is ignored'):
        import_modules(['part_of_nobody'], allow_failed_imports=True)
