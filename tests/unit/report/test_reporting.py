"""The report prints what the files hold, says where it is from, and flatters nobody."""

import csv
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from report_inputs import EFFECTS, PROFILE, RULES, write_inputs, write_summarized
from scipy import stats

from stethoscope.report.numbers import EMPTY, FORMATS, Numbers, Source
from stethoscope.report.render import FIGURE_NAMES, load_sources, render, render_tables, table_files
from stethoscope.runtime.files import sha256_file
from stethoscope.statistics.summaries import SUMMARIES

TEMPLATES = Path(__file__).parents[3] / "report"
FIGURES = dict.fromkeys(FIGURE_NAMES, '<?xml version="1.0"?>\n<svg><title>drawn</title></svg>\n')

TWO_VECTORS = EFFECTS | {"dual": ("1.0", 15, -20), "ties": ("0.5", 18, -11)}

# Numerals that are words of the page, not results.
STATIC = (
    r"Table R?\d+",
    r"Figure \d",
    r"reproduced, seed \d",
    r"Gemma-3-4B",
    r"Llama-3\.1-8B",
    r"95\s%",
    r"eq\. \(\d\)",
    r"p < \.05",
    r"below \.05",
    r"k/d",
    r"counted from 0",
    r"L0",
    r"(fp32|bf16)",
    r"arXiv 2605\.28649",
    r"sha256",
)


def make(root, **options):
    paths = write_inputs(root, **options)
    return Numbers(load_sources({k: root / v for k, v in paths.items()}, RULES, root))


def page_of(report, template=TEMPLATES / "report.html.j2"):
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return render(report, template, style, FIGURES)


def files_of(report):
    return table_files(report, TEMPLATES / "report.html.j2")


@pytest.fixture
def report(tmp_path):
    return make(tmp_path)


class Reader(HTMLParser):
    """Splits a page into numbers (id, text) and the words around them."""

    SKIPPED = ("style", "svg", "code", "title")
    VOID = ("meta", "br", "link")

    def __init__(self):
        super().__init__()
        self.stack, self.numbers, self.words = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.stack.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        opened, _ = self.stack.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data):
        for tag, attributes in self.stack:
            if tag in self.SKIPPED or attributes.get("class") == "name":
                return
        attributes = self.stack[-1][1] if self.stack else {}
        if attributes.get("class") == "num":
            self.numbers.append((attributes["data-cell"], data))
        else:
            self.words.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.stack == []
    return reader


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
@pytest.mark.parametrize("merges", [False, True])
def test_every_number_on_the_page_is_one_of_the_recorded_cells(tmp_path, seeds, merges):
    report = make(tmp_path, seeds=seeds, effects=TWO_VECTORS if merges else EFFECTS)
    page = read(page_of(report))
    records = {record["id"]: record for record in report.records()}
    assert len(page.numbers) > 500
    for name, text in page.numbers:
        assert records[name]["text"] == text
    words = " ".join(page.words)
    for pattern in STATIC:
        words = re.sub(pattern, " ", words)
    found = re.search(r".{0,40}\d.{0,40}", words)
    assert found is None, f"a number outside the cells: {found.group()!r}"


def value_at(path, row, column):
    """A field of a table, read by the standard library alone."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    return rows[row][column]


def layers_of(text: str) -> list[int]:
    """The layers that a list with runs such as 0–2,5 names."""
    ends = [part.split("–") for part in text.split(",")]
    return [layer for run in ends for layer in range(int(run[0]), int(run[-1]) + 1)]


def test_every_number_is_in_the_file_row_and_column_that_it_names(tmp_path):
    report = make(tmp_path)
    page_of(report)
    records = report.records()
    for record in records:
        path = tmp_path / record["file"]
        assert record["sha256"] == sha256_file(path)
        assert record["rule"] == RULES.get(path.stem, "input data")
        written = value_at(path, record["row"], record["column"])
        if isinstance(record["value"], str):
            assert written == record["value"]
        else:
            assert float(written) == record["value"]
        printed = record["text"].replace("−", "-")
        if set(printed) <= set("+-.0123456789"):
            step = 0.5 * 10.0 ** -len(printed.partition(".")[2])
            assert any(abs(float(printed) - float(written) * s) <= step + 1e-9 for s in (1, 100))
        elif re.fullmatch(r"[\d,]+–[\d,–]+", printed):
            assert layers_of(printed) == layers_of(written)
    assert len(records) > 500


def test_cells_are_the_same_list_of_records_each_time(tmp_path):
    first, second = make(tmp_path / "a"), make(tmp_path / "b")
    assert page_of(first) == page_of(second)
    assert first.records() == second.records()
    assert files_of(first) == files_of(second)


def test_the_page_needs_nothing_from_outside(report):
    page = page_of(report)
    assert "<script" not in page and "<link" not in page and "@import" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert len(page.encode()) < 3_000_000


def test_a_name_in_the_study_cannot_become_markup_or_latex(tmp_path):
    report = make(tmp_path, title="<script>alert(1)</script> a_b & c%")
    page = page_of(report)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "as many as fit &lt;width&gt; &amp; budget" in page


def test_a_misspelt_name_in_a_template_is_an_error(report, tmp_path):
    template = tmp_path / "page.html.j2"
    template.write_text("{{ study.titel }}", encoding="utf-8")
    template.with_name("captions.html.j2").touch()
    with pytest.raises(UndefinedError, match="titel"):
        page_of(report, template)


def test_one_seed_is_said_plainly(report, tmp_path):
    words = re.sub(r"\s+", " ", "".join(re.sub(r"<[^>]*>", "", page_of(report))))
    assert "n = 1 seed: one base model" in words.replace("&nbsp;", " ").replace("\xa0", " ")
    assert "n~=~1 seed" in files_of(report)["table1.tex"]


def test_an_empty_value_prints_as_a_dash_and_is_not_recorded(report):
    assert report("table1", 0, "n_sig_of_7") is EMPTY
    assert str(EMPTY) == "—" and report.records() == []
    with pytest.raises(ValueError, match=r"accuracy\.tsv: no column 'acuracy'"):
        report("accuracy", 0, "acuracy")


def test_an_input_outside_the_repository_is_refused(tmp_path):
    outside = tmp_path / "elsewhere.json"
    outside.write_text("{}", encoding="utf-8")
    (tmp_path / "inside").mkdir()
    with pytest.raises(ValueError, match=r"^elsewhere\.json: expected a file below"):
        Source.load("x", outside, "input data", tmp_path / "inside")


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        ("percent", "0.394", "39.4"),
        ("points", "0.098", "+9.8"),
        ("points", "-0.0004", "0.0"),
        ("points", "-0.031", "−3.1"),
        ("p", "0.00065", "0.0006"),
        ("p", "0.00002", "<0.0001"),
        ("integer", "3.0", "3"),
        ("fixed2", "0.125 −", "0.12 −"),
        ("raw", "-0.80", "−0.80"),
        ("layers", "0,1,2,3,5,6,8,30,31,32 · 7", "0–3,5,6,8,30–32 · 7"),
    ],
)
def test_numbers_are_printed_as_in_the_paper(form, value, text):
    assert FORMATS[form](value) == text


def about_sp(report):
    """Answer and sentences of each question to SP, as the page prints them."""
    parts = re.findall(
        r'<dt id="finding-(sp-.*?)">(.*?)</dt>\n<dd>(.*?)</dd>', page_of(report), re.S
    )
    text = {key: re.sub(r"\s+", " ", re.sub("<[^>]*>", "", body)) for key, _, body in parts}
    return {key: (re.search(r'"answer">(.*)</span>', head)[1], text[key]) for key, head, _ in parts}


def test_each_question_to_sp_is_answered_from_its_table(report):
    found = about_sp(report)
    assert {key: answer for key, (answer, _) in found.items()} == {
        "sp-null": "yes",  # three selected layers of three
        "sp-threshold": "no",  # reached in 24 % of the draws
        "sp-honest": "in part",  # 1.2 against 0.9 of SP
        "sp-set": "in part",  # a mean Jaccard of 0.72
        "sp-grid": "some would not",
        "sp-others": "yes",  # without geometry
        "sp-controls": "yes",  # two of three layers in common
        "sp-depth": "not shown",  # [-0.52, 0.08] holds zero
    }
    _, null = found["sp-null"]
    assert "3 of 3 selected layers" in null and "Of the 5 layers" in null
    assert "3 exceed theirs" in null  # 1.99, 3.58 and 2.32 of the five against 1.9
    assert "all of them have one" not in null
    assert "without Geometry" in found["sp-others"][1]
    controls = found["sp-controls"][1].replace("−", "-")
    rank = stats.spearmanr(PROFILE, PROFILE[::-1]).statistic
    assert f"rank correlation with the SAE’s is {rank:.2f}" in controls
    assert "share 2 of its 3 selected layers" in controls


def test_answers_about_sp_that_differ_between_seeds_say_so(tmp_path):
    paths = write_inputs(tmp_path, seeds=(1, 2))
    table = tmp_path / paths["sp_measures"]
    changed = table.read_text().replace(
        "2\ttopk\tnumber_theory\tpublished_reached_by_null\t0.24",
        "2\ttopk\tnumber_theory\tpublished_reached_by_null\t0.04",
    )
    table.write_text(changed)
    paths |= write_summarized(tmp_path, {k: v for k, v in paths.items() if k not in SUMMARIES})
    report = Numbers(load_sources({k: tmp_path / v for k, v in paths.items()}, RULES, tmp_path))
    found = about_sp(report)
    assert found["sp-threshold"][0] == "differs between seeds"
    assert found["sp-set"][0] == "in part" and found["sp-set"][1].count("Seed ") == 2


def test_a_study_with_few_edits_has_a_page_too(tmp_path):
    effects = {name: EFFECTS[name] for name in ("base", "sp")}
    page = page_of(make(tmp_path, effects=effects))
    assert "Does ours beat base" in page and "Does ours beat the full merge" not in page


def printed(report, name):
    """Rows of a table as texts."""
    rows = render_tables(report, TEMPLATES)[name].rows
    return [[words_of("".join(map(str, td.parts))) for td in row.cells] for row in rows]


def words_of(markup):
    text = unescape(re.sub(r"<[^>]*>", "", str(markup)))
    return re.sub(r"\s+", " ", text.replace("\xa0", " "))


def test_each_projection_stands_beside_chance_with_its_effect_where_it_has_one(report):
    rows = {cells[0]: cells[1:] for cells in printed(report, "R5b")}
    assert len(rows) == 4
    projected, drawn = rows["SAE projection"], rows["Random directions, draw 2"]
    assert projected[:4] == ["specific features", "both", "3", "1.0"]
    assert projected[4:9] == ["4.31", "20.76", "2.34", "61.00", "0.034"]
    assert projected[9] == "−2.0"
    assert drawn[:2] == ["random", "both"]
    assert drawn[4:9] == ["2.52", "15.87", "2.34", "61.00", "0.003"]
    assert drawn[9:11] == ["—", "—"]
    assert drawn[11:] == projected[11:] == ["0.500", "53.00"]


def test_gains_are_corrected_and_losses_excluded_in_tables_of_their_own(report):
    gains = {cells[0]: cells for cells in printed(report, "R3c")}
    assert len(gains) == 11
    assert gains["Full merge"][1:5] == ["+20.3", "6.78", "0.0004", "0.0110↑"]
    assert gains["Full merge"][8].endswith("↓")
    losses = {cells[0]: cells for cells in printed(report, "R3d")}
    assert (losses["Full merge"][1], losses["Full merge"][3]) == ("+16.3✓6.4", "−23.0↓7.1")
    # 9 problems fewer, of 300, give [-7, +1] points: undecided at a margin of 5.
    assert "✓" not in losses["Ours (SP-selected layers)"][3]


def test_each_protocol_says_what_was_gained_where_the_base_was_cut(report):
    rows = printed(report, "R7b")
    assert len(rows) == 2 * 2 * 2  # not the subjects apart from the target
    ours = next(row for row in rows if row[1] == "chat" and row[3] == "NT" and row[5] != "0.0")
    assert ours[4:] == ["39.3", "+9.7", "33", "17", "4", "2.0", "5.0", "171.5"]


def test_findings_are_sentences_with_their_numbers(report):
    words = words_of(page_of(report))
    assert "Does ours beat base on Number Theory?yes" in words
    assert "Ours (SP-selected layers) is above Base model on Number Theory: +8.0 points" in words
    assert "it cannot be below 0.167, so this rank alone cannot establish an advantage" in words
    assert "about what a random subspace of that rank keeps (2.34 %, ratio 1.8)" in words
    assert "p = 0.0004 alone and p = 0.0110 corrected for all 11 edits" in words
    assert "1 exclude a loss of 5.0 points or more" in words and "6.4 to 7.1 points" in words
    assert "validation problems choose α = 1.0, which gives 38.0 %" in words
    assert "A second run changes 3 of 2100 answers." in words


@pytest.mark.parametrize(
    ("kind", "key", "verdicts"),
    [
        ("compared", "ours-base", ["above", "below", "none", "not compared"]),
        ("compared", "rest-ours", ["above", "below", "none"]),
        ("draws", "ours-random", ["above", "below", "none"]),
        ("rivals", "ours-norm", ["all", "some", "mixed", "worse", "none"]),
        ("cause", "cause-full", ["no effect", "kept", "size", "direction", "harmful"]),
        ("family", "ours-family", ["kept", "lost", "unshown", "none"]),
        ("degradation", "ours-degraded", ["shown", "excluded", "open"]),
        ("optimism", "optimism", ["none", "shown", "unshown"]),
        ("pattern", "pattern", ["whole", "order", "no"]),
    ],
)
def test_each_verdict_has_an_answer_and_a_sentence(report, kind, key, verdicts):
    table = report.sources["findings"]
    for verdict in verdicts:
        row = dict.fromkeys(table.columns, "1") | {"kind": kind, "key": key, "verdict": verdict}
        report.sources["findings"] = replace(table, rows=(row,))
        page = page_of(report)
        assert re.search(r'<span class="answer">\s*\w', page) and re.search(r"<dd>\s*\S", page)


def test_an_effect_that_was_not_computed_is_a_dash_and_no_escaped_markup(tmp_path):
    paths = write_inputs(tmp_path)
    table = tmp_path / paths["noninferiority"]
    table.write_text(table.read_text().replace("\t0.064\t", "\t\t"))
    write_summarized(tmp_path, paths)
    report = Numbers(load_sources({k: tmp_path / v for k, v in paths.items()}, RULES, tmp_path))
    page = page_of(report)
    assert '<small><span class="none">—</span></small>' in page
    assert "&lt;span" not in page


def test_a_study_without_sweep_and_noise_floor_leaves_their_tables_out(tmp_path):
    report = make(tmp_path, read_again=False)
    page = page_of(report)
    assert 'id="table-protocols"' not in page
    assert 'id="table-optimism"' not in page and 'id="table-noise"' not in page
    assert 'id="finding-optimism"' not in page
    assert 'id="table-families"' in page and 'id="table-losses"' in page


def test_an_edit_of_which_only_the_energy_is_known_is_in_no_comparison(tmp_path):
    report = make(tmp_path)
    assert "random_basis" not in "".join(files_of(report).values())
    assert page_of(report).count("Random directions, draw") == 2


def text_of(td):
    return "".join(str(part) for part in td.parts)


def test_edits_of_two_vectors_have_no_place_among_what_is_kept_of_one(tmp_path):
    with_merges, without = make(tmp_path / "a", effects=TWO_VECTORS), make(tmp_path / "b")
    shown = [[cells[0] for cells in printed(r, "R5b")] for r in (with_merges, without)]
    assert shown[0] == shown[1]
