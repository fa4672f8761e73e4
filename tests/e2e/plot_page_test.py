"""The file that glint bench --plot writes, in a browser: opened from the disk, as whoever was sent it opens it."""

import pytest

from bench_test import measured, null, random_load  # null is a fixture
from browser import PHONE, WIDE

CHARTS = {
    "TPOT against throughput": ("output tokens a second", "median TPOT, ms"),
    "TTFT against throughput": ("output tokens a second", "median TTFT, ms"),
    "Distribution of TTFT": ("TTFT, ms (logarithmic)", "share at most so long, %"),
    "Distribution of ITL": ("ITL, ms (logarithmic)", "share at most so long, %"),
    "Output tokens over time": ("seconds since the first request", "tokens in that second"),
}

LEADING = 2  # px of a digit's box, at its lower edge, that it leaves empty

# Of each chart: its texts with the places they take, and the lines and dots that take one.
DRAWN = """return Array.from(document.querySelectorAll('.charts svg'), svg => {
  const box = (e) => (({left, right, top, bottom}) => ({left, right, top, bottom}))(e.getBoundingClientRect());
  return {
    title: svg.ariaLabel, box: box(svg),
    texts: Array.from(svg.querySelectorAll('text'), e => ({text: e.textContent, box: box(e)})),
    marks: Array.from(svg.querySelectorAll('polyline, circle'), e => ({className: e.className.baseVal, box: e.getBBox()}))
      .filter(({box}) => box.width > 0 || box.height > 0),
  };
})"""

# The contrast of texts and of all lines' colours with the page, by WCAG 2's sum.
CONTRASTS = """
const light = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const back = light(getComputedStyle(document.body).backgroundColor);
const contrast = (color) => (Math.max(light(color), back) + 0.05) / (Math.min(light(color), back) + 0.05);
const all = (selector, property) => Array.from(document.querySelectorAll(selector), e => contrast(getComputedStyle(e)[property]));
const line = document.querySelector('.charts polyline');
const lines = Array.from({length: 9}, (_, i) => { line.setAttribute('class', `s${i}`); return contrast(getComputedStyle(line).stroke); });
return {texts: [...all('h1, th, td, .legend span', 'color'), ...all('.charts text', 'fill')], lines};
"""


@pytest.fixture(scope="module")
def pages(null, tmp_path_factory):
    """A sweep of three loads and one answer of a single token, which has no gap between tokens."""
    folder = tmp_path_factory.mktemp("plots")
    files = ("--output-file", folder / "results.jsonl", "--plot")
    measured("sweep", null, "--goodput", "ttft:60000", *random_load(6, 50, 300), "--max-concurrency", 4, *files,
             folder / "sweep.html")
    measured("serving", null, *random_load(1, 5, 1), "--warmup-requests", 0, *files, folder / "one.html")
    return {name: folder / f"{name}.html" for name in ("sweep", "one")}


def opened(browser, path):
    browser.open(path.as_uri())
    assert [request["url"] for request in browser.take_requests()] == [path.as_uri()]
    return {chart["title"]: chart for chart in browser.run(DRAWN)}


def test_every_chart_is_drawn_with_units(browser, pages):
    charts = opened(browser, pages["sweep"])
    assert list(charts) == list(CHARTS)
    for title, chart in charts.items():
        texts = [text["text"] for text in chart["texts"]]
        assert texts[:3] == [title, *CHARTS[title]]
        assert len([text for text in texts[3:] if float(text) >= 0]) >= 4  # ticks
        assert {mark["className"] for mark in chart["marks"]} >= {"s0", "s1", "s2"}, title
        for box in (mark["box"] for mark in chart["marks"]):
            assert 76 <= box["x"] + 5 and box["x"] + box["width"] <= 541 and 29 <= box["y"] and box["y"] + box["height"] <= 297
    assert browser.texts(".legend span") == ["c1", "c2", "c4"]
    assert browser.texts("th[colspan]") == ["TTFT, ms", "TPOT, ms", "ITL, ms"]
    assert len(browser.all("tr")) == 2 + 3


def test_what_was_not_measured_is_said(browser, pages):
    charts = opened(browser, pages["one"])
    assert charts["Distribution of ITL"]["texts"][-1]["text"] == "nothing was measured"
    empty = [title for title, chart in charts.items() if not chart["marks"]]
    assert empty == ["Distribution of ITL"]


@pytest.mark.parametrize("size", [PHONE, WIDE])
@pytest.mark.parametrize("name", ["sweep", "one"])
def test_no_text_is_cut_or_covered(browser, pages, name, size):
    opened(browser, pages[name])
    browser.check_fits()
    browser.look(size)
    charts = {chart["title"]: chart for chart in browser.run(DRAWN)}
    for title, chart in charts.items():
        outer, texts = chart["box"], chart["texts"]
        for i, one in enumerate(texts):
            a = one["box"]
            assert outer["left"] <= a["left"] and a["right"] <= outer["right"] and outer["top"] <= a["top"] and \
                a["bottom"] <= outer["bottom"], (title, one)
            assert min(a["right"] - a["left"], a["bottom"] - a["top"]) >= (9 if len(one["text"]) > 2 else 5), (title, one)
            for other in texts[:i]:
                b = other["box"]
                assert a["right"] <= b["left"] or b["right"] <= a["left"] or a["bottom"] - LEADING <= b["top"] or \
                    b["bottom"] - LEADING <= a["top"], (title, one, other)
    if size == WIDE:
        assert browser.run("const table = document.querySelector('.table'); return table.scrollWidth <= table.clientWidth")


def test_light_and_dark_can_be_read(browser, pages):
    opened(browser, pages["sweep"])
    for scheme in ("light", "dark"):
        browser.look(scheme=scheme)
        contrasts = browser.run(CONTRASTS)
        assert len(contrasts["texts"]) > 60 and min(contrasts["texts"]) >= 4.5, scheme
        assert len(contrasts["lines"]) == 9 and min(contrasts["lines"]) >= 3, (scheme, contrasts["lines"])
    browser.look()
    browser.check_looks()
