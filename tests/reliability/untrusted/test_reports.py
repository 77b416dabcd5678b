"""R36, R41, R42: no text of a run runs in its report, no secret is in a file, no clock makes a duration negative."""

import csv
import datetime
import errno
import json
import re
import time
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml

from dlexp.analysis import analyse, load_runs, write_runs
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import build_report, render_html
from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.machine.files import replacing
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record import folder as record
from dlexp.study.cells import Study
from dlexp.study.protocol import write_protocol
from dlexp.study.request import compose_runs, narrow
from dlexp.study.sweep import check_cells, sweep
from dlexp.training.single_learner import SingleLearner
from tests.analysis.made import make_study
from tests.analysis.report.test_write import PAYLOADS as TWENTY
from tests.analysis.report.test_write import hostile
from tests.runs import MOONS, prepare

PAYLOADS = [
    *TWENTY,
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<math href='javascript:alert(1)'>x</math>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<object data='data:text/html,<script>alert(1)</script>'>",
    "<embed src='javascript:alert(1)'>",
    "<base href='http://evil.example/'>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "</td></tr></table><script>alert(1)</script>",
    "'';!--\"<XSS>=&{()}",
    "<style>@import 'http://evil.example/x.css';</style>",
    "\" style=\"background:url(javascript:alert(1))",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "<template><script>alert(1)</script></template>",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "<input autofocus onfocus=alert(1)>",
]  # fmt: skip
OURS = {"html", "head", "meta", "link", "title", "style", "body", "main", "h1", "h2", "p", "nav", "a", "section", "div", "span"}
OURS |= {"table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img", "pre"}
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Nodes(HTMLParser):
    """Collects what is there and should not be: tags that the template does not have, handlers, addresses that run."""

    def __init__(self):
        super().__init__()
        self.bad, self.policies, self.tags = [], [], 0

    def handle_starttag(self, tag, attrs):
        self.tags += 1
        self.bad += [tag] if tag not in OURS else []
        for name, value in attrs:
            value = value or ""
            runs = name.startswith("on") or name in ("srcdoc", "action", "formaction")
            leads = name in ("href", "src", "data") and not value.startswith(("#", "data:image/", "data:,"))
            self.bad += [f"{tag} {name}={value}"] if runs or leads or "javascript:" in value and name != "alt" else []
            self.bad += [f"{tag} {name}={value}"] if name == "http-equiv" and value != "Content-Security-Policy" else []
        if dict(attrs).get("http-equiv"):
            self.policies.append(dict(attrs)["content"])


def looked_through(text):
    nodes = Nodes()
    nodes.feed(text)
    nodes.close()
    assert nodes.tags > 20
    return nodes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study on disk with a payload wherever a file has a text: question, reasons, overrides, names of classes."""
    return _study(tmp_path_factory.mktemp("outputs"), " ".join(PAYLOADS))


def _study(root, joined):
    folder = make_study(
        root,
        {"activation": ["relu", "tanh"]},
        [0, 1, 2],
        status=lambda cell, seed: "failed" if (cell["activation"], seed) == ("tanh", 2) else "done",
        question=joined,
        background=joined,
        predictions=[{"claim": joined, "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}],
        reference={"source": joined, "values": [{"activation": "relu", "value": 0.5}]},
    )
    for number, path in enumerate(sorted(folder.glob("*/summary.json"))):
        summary = json.loads(path.read_text())
        texts = dict.fromkeys(("device", "host", "git_commit", "init_hash"), PAYLOADS[number])
        summary |= texts | {"overrides": PAYLOADS} | ({"reason": joined} if "reason" in summary else {})
        summary["versions"] = {"python": joined}
        path.write_text(json.dumps(summary))
        config = path.with_name("config.yaml")
        config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"data_dir": joined}))
        (path.parent / "arrays").mkdir()
        counts = np.arange(9).reshape(3, 3) + number
        classes = np.array([PAYLOADS[number], PAYLOADS[-1], "three"])
        np.savez(path.parent / "arrays" / "predictions.npz", classes=classes, confusion=counts)
    protocol = json.loads((folder / "protocol.json").read_text())
    (folder / "protocol.json").write_text(json.dumps(protocol | {"command": joined, "changes": [f"x={joined}"]}))
    return folder


def test_no_text_on_disk_becomes_markup(folder):
    page = build_report(folder).read_text()
    nodes = looked_through(page)
    assert nodes.bad == []
    assert nodes.policies == [POLICY]
    assert "&lt;details open ontoggle=alert(1)&gt;" in page  # they are there, as text
    for picture in folder.glob("figures/*.svg"):
        assert not re.search(r"<script|\son\w+=|javascript:(?!alert)", re.sub(r"<!--.*?-->", "", picture.read_text()))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_alone_becomes_markup(payload, folder):
    nodes = looked_through(render_html(make_page(hostile(analyse(folder), payload), [], Text("en"))))
    assert nodes.bad == []
    assert nodes.policies == [POLICY]


def test_the_parser_finds_what_is_not_escaped():
    """The negative control: of the payloads that have markup in them, each is found where nothing escapes it."""
    harmless = {"javascript:alert(1)", "[x](javascript:alert(1))", "{{ 7*7 }}{% for x in () %}", "{claim} {0.__class__}"}
    found = []
    for payload in PAYLOADS:
        nodes = Nodes()
        nodes.feed(payload)
        found.append(bool(nodes.bad))
    assert sum(found) >= 28
    assert not any(bad for bad, payload in zip(found, PAYLOADS, strict=True) if payload in harmless)


FORMULAS = [
    "=1+1",
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    '=HYPERLINK("http://evil.example")',
    "'=1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_a_text_in_runs_csv_and_a_number_a_number(text, tmp_path):
    runs = pd.DataFrame({"id": ["0123456789ab"], "reason": [text], text: ["x"], "loss": [-0.25], "depth": [-3]})
    write_runs(runs, tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(newline="") as file:
        names, cells = csv.reader(file)
    assert cells[1] == names[2] == f"'{text}"
    assert cells[3:] == ["-0.25", "-3"]
    assert load_runs(tmp_path / "runs.csv").iloc[0].tolist() == runs.iloc[0].tolist()


SECRETS = {name: f"s3cr3t-{name}-f00d" for name in ("API_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "WANDB_API_KEY")}


def test_no_secret_of_the_environment_is_in_any_file(tmp_path, monkeypatch, capsys):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    original = SingleLearner.step

    def step(learner, inputs, targets):
        if len(inputs) == 20:
            raise RuntimeError("fails, and its traceback is written")
        original(learner, inputs, targets)

    monkeypatch.setattr(SingleLearner, "step", step)
    base = dict(override.split("=") for override in MOONS if not override.startswith("batch_size"))
    base |= {"hardware": "cpu", "output_dir": str(tmp_path / "outputs"), "checkpoint_every": 0}
    study = Study("secret", "?", "-", base=base, axes={"batch_size": [16, 20]}, seeds=[0])
    command = "python train.py study=secret"
    request = narrow(study, [])
    checked = check_cells(compose_runs(study, request), study.name)
    folder = write_protocol(study, request, command)
    assert sweep(checked, command) == 1
    build_report(folder)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 15
    found = b"".join(path.read_bytes() for path in files) + "".join(capsys.readouterr()).encode()
    assert b"its traceback is written" in found  # such a search does find what is there
    assert not [value for value in SECRETS.values() if value.encode() in found]


@pytest.mark.parametrize("name", SECRETS)
def test_no_config_asks_the_environment(name, monkeypatch):
    monkeypatch.setenv(name, SECRETS[name])
    for override in (f"data_dir=${{oc.env:{name}}}", f"output_dir=a${{oc.env:{name},b}}"):
        problems = check(compose([override]))
        assert problems
        assert SECRETS[name] not in " ".join(problems)


def clocks(kind):
    """A clock on the wall that does as it likes; seconds since 1970 for each look at it."""
    now, looks = 1_700_000_000.0, 0
    while True:
        looks += 1
        yield {"back": now - 3600 * looks, "1970": float(looks), "an hour": now + 3600 * (looks % 2), "2038": 2.0**31 + looks}[
            kind
        ]


@pytest.mark.parametrize("kind", ["back", "1970", "an hour", "2038"])
def test_durations_are_not_of_the_clock_on_the_wall(kind, tmp_path, monkeypatch):
    wall = clocks(kind)

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(next(wall), tz)

    monkeypatch.setattr(time, "time", lambda: next(wall))
    monkeypatch.setattr(record, "datetime", Jumping)
    run = prepare(*MOONS, "checkpoint_every=0", root=tmp_path)
    start = time.perf_counter()
    summary = execute(run, gather_facts(run), Plain())
    passed = time.perf_counter() - start
    assert summary["started"] != summary["ended"]  # they do follow it
    assert 0 < sum(summary["seconds"].values()) <= passed
    assert all(seconds >= 0 for seconds in summary["seconds"].values())
    with (run.folder / "metrics.csv").open() as file:
        assert all(0 <= float(row["seconds"] or 0) <= passed for row in csv.DictReader(file))
    assert run.identity == prepare(*MOONS, root=tmp_path).identity


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_report_that_cannot_be_written_leaves_the_one_before(number, tmp_path):
    """R04, R15: half of it is written, and then the disk refuses."""
    path = tmp_path / "report.html"
    path.write_text("before")

    with pytest.raises(OSError, match="refused"), replacing(path) as file:  # noqa: PT012
        file.write(b"af")
        raise OSError(number, "refused")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("report.html", "before")]
