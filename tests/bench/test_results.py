"""Medians, ratios, the table and the charts of a run."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from bench.charts import draw
from bench.report import show, width
from bench.results import Results, load

SIDES = ["kumofs", "kumofs --write-through", "rclone", "s3fs"]


@pytest.fixture
def results() -> Results:
    found = Results({"title": "a test"}, SIDES)
    for own, rclone, s3fs in ((1.0, 8.0, 3.0), (3.0, 6.0, "Input/output error"), (2.0, 7.0, 5.0)):
        found.add("Small & files", "kumofs", {"copy": own, "(hidden)": 9.0, "alone": 1.0, "nothing": 0.0})
        found.add("Small & files", "rclone", {"copy": rclone, "nothing": 1.0})
        found.add("Small & files", "s3fs", {"copy": s3fs, "slow": "> 120 s"})
    found.problems.append("s3fs: Small & files: Input/output error")
    return found


def test_the_median_is_of_the_rounds_that_have_a_number(results: Results) -> None:
    cell = results.cell("Small & files", "copy", "s3fs")
    assert cell is not None
    assert (cell.median, cell.low, cell.high, cell.failed) == (4.0, 3.0, 5.0, "Input/output error")
    assert results.cell("Small & files", "copy", "kumofs --write-through") is None


def test_the_ratio_is_to_the_best_peer_and_above_one_where_kumofs_is_better(results: Results) -> None:
    assert results.best_peer("Small & files", "copy") == ("s3fs", 4.0)
    assert results.ratio("Small & files", "copy") == 2.0
    assert results.ratio("Small & files", "copy", "rclone") == pytest.approx(4 / 7)
    assert results.ratio("Small & files", "alone") is None
    assert results.ratio("Small & files", "nothing") is None


def test_json_holds_every_sample_and_the_summary(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "results.json")
    again = load(tmp_path / "results.json")
    assert again == results
    text = (tmp_path / "results.json").read_text()
    assert '"ratio": 2.0' in text
    assert '"best_peer": "s3fs"' in text


def test_the_table_shows_numbers_ranges_and_reasons(results: Results) -> None:
    shown = io.StringIO()
    show(results, Console(file=shown, width=width(results)))
    lines = {line.split()[0]: line for line in shown.getvalue().replace("│", " ").splitlines() if line.strip()}
    assert lines["copy"].split() == [
        "copy",
        "2.00",
        "(1.00–3.00)",
        "-",
        "7.00",
        "(6.00–8.00)",
        "4.00",
        "(3.00–5.00)*",
        "s3fs",
        "2.00",
    ]
    assert lines["slow"].split() == ["slow", "-", "-", "-", ">", "120", "s", "-", "-"]
    assert "(hidden)" not in shown.getvalue()
    assert "s3fs: Small & files: Input/output error" in shown.getvalue()


def test_a_chart_is_an_svg_whose_longest_bar_is_the_slowest_side(results: Results, tmp_path: Path) -> None:
    (path,) = draw(results, tmp_path)
    assert path.name == "small-files.svg"
    root = ElementTree.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.get("width", "0")) for bar in root.iter(f"{space}rect") if bar.get("rx")]
    kumofs, rclone, s3fs = widths[:3]
    assert kumofs / rclone == pytest.approx(2 / 7, abs=0.01)
    assert s3fs / rclone == pytest.approx(4 / 7, abs=0.01)
    texts = [text.text for text in root.iter(f"{space}text")]
    assert "Small & files" in texts
    assert "2.00" in texts
