"""The examples of docs/python.md, in their order."""

import re

from tests import ROOT

PAGE = ROOT / "docs" / "python.md"


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "reference").symlink_to(ROOT / "outputs" / "reference")
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert len(blocks) == 4
    assert names["run"].folder.samefile(names["again"].folder)
    assert len(names["swept"]) == 4
    for words in ("done 0.", "probability", "compared seed by seed", "topology: "):
        assert words in printed
