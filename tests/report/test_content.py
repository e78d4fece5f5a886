"""What the report says, from a made-up results folder: every number as the files have it, every name escaped."""

import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
from markupsafe import escape
from PIL import Image
from support import HOME, finish, refused

import run_all
from lib import report, study
from lib.metrics import comparison, fairness
from lib.metrics.checks import Interval
from lib.report import __main__ as command
from lib.report import across, content, notebooks, parts, pictures, words
from lib.report.datasets import _chosen_images, _stage_table
from lib.report.page import render


class Parsed(HTMLParser):
    """Elements of a page as (tag, attributes), and its text without scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.words, self.inside, self.scripts = [], [], "", []
        self.feed(page)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts.append(data)
        elif not self.inside:
            self.words.append(data)


@pytest.fixture(scope="module")
def parsed(page):
    return Parsed(page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def gathered(made_up, page):
    return content.gather(made_up)


@pytest.fixture
def copied(made_up, tmp_path):
    """The results, to be changed."""
    return shutil.copytree(made_up, tmp_path / "results")


def datasets(found):
    return {dataset.name: dataset for dataset in found.datasets}


def test_groups_of_people_are_shown_plainly_where_they_were_asked_for(copied, hostile_names):
    runs = study.finished_runs(copied, copied / "models", quick=False)
    (run,) = [run for run in runs if run.name == "my (faces)"]
    test = run.scored().query("stage == 'full' and split == 'test'")
    values = ["=1+1", hostile_names[0]]
    frame = pd.concat([test.assign(kind=value, group=test["group"] + value) for value in values])
    table = fairness.group_table(frame, ["kind"], 0.5, resamples=50)
    run.write_groups(table)
    text = report.write(copied).read_text(encoding="utf-8")
    assert hostile_names[0] not in text
    found = Parsed(text)
    assert (
        "Groups of people, on test: my (faces), tuned recipe" in found.text
        and found.text.count("Groups of people") == 1
    )
    shown = [row.tolist() for row in fairness.shown(table).to_numpy()]
    for cell in (cell for row in shown for cell in row if cell):
        assert " ".join(cell.split()) in found.text
    assert "nothing about a person was inferred from a picture" in found.text


def test_every_dataset_and_recipe_is_there_with_the_numbers_of_its_files(gathered, parsed):
    found = datasets(gathered)
    assert {name: [model.recipe for model in dataset.models] for name, dataset in found.items()} == {
        "dataset_1": ["original", "tuned"],
        "dataset_2": [],
        "my (faces)": ["tuned"],
    }
    for dataset in found.values():
        for model in dataset.models:
            known = model.run.metrics()["stages"]["full"]
            assert model.auc.as_dict() == known["test"]["roc_auc"]
            assert model.real.as_dict() == known["policies"]["balanced"]["recall_real"]
            assert model.synthetic.as_dict() == known["policies"]["balanced"]["recall_synthetic"]
            assert f"{model.auc.value:.3f} test AUC" in parsed.text
            for sentence in model.sentences:
                assert sentence in parsed.text
    assert "Audited only" in parsed.text


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        ((0.96, 0.94, 0.98), "ranks a random synthetic image above a random real one 96% of the time"),
        ((0.55, 0.48, 0.62), "cannot be told from guessing (50%)"),
        ((0.30, 0.20, 0.40), "Uninformative"),
        ((0.9996, 0.999, 1.0), "over 99.9% of the time (95% interval 99.9% to 100%)"),
        ((float("nan"),) * 3, "undefined"),
    ],
)
def test_an_auc_is_said_in_plain_words(auc, said):
    assert said in words.ranking(Interval(*auc))


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0%"), (1.0, "100%"), (0.0004, "under 0.1%"), (0.005, "0.5%"), (0.854, "85%"), (0.9949, "99.5%")],
)
def test_only_whole_shares_are_called_whole(value, said):
    assert words.share(value) == said


def test_chance_is_said_where_it_is_chance_and_nowhere_else(gathered):
    assert {
        (dataset.name, model.recipe): model.standing for dataset in gathered.datasets for model in dataset.models
    } == {
        ("dataset_1", "original"): "better than chance",
        ("dataset_1", "tuned"): "better than chance",
        ("my (faces)", "tuned"): "at chance",
    }


@pytest.mark.parametrize(
    ("control", "auc", "found", "warned"),
    [
        (False, (0.5, 0.4, 0.6), ("bad", "at chance"), 2),
        (True, (0.5, 0.4, 0.6), ("good", "at chance, as it should be"), 0),
        (True, (0.8, 0.7, 0.9), ("bad", "not at chance: something else than the pixels tells these classes apart"), 2),
        (False, (0.8, 0.7, 0.9), None, 2),
    ],
)
def test_chance_is_right_for_the_control_and_wrong_for_all_others(gathered, control, auc, found, warned):
    own = datasets(gathered)["my (faces)"]
    auc = Interval(*auc)
    model = dataclasses.replace(own.models[0], auc=auc, standing=words.standing(auc), warnings=["nearly all one class"])
    shown = dataclasses.replace(own, control=control, warnings=[], models=[model])
    html = render(dataclasses.replace(gathered, datasets=[shown]))
    badges = re.findall(r'<span class="badge (good|bad)">(.*?)</span>', html)
    assert badges == ([found] if found else [])
    assert html.count('<div class="warning">') == warned and html.count('<div class="good">') == 2 - warned


def test_stand_ins_are_called_so_at_every_heading_and_figure_and_in_every_table(gathered, page):
    text = page.read_text(encoding="utf-8")
    for heading in re.findall(r"<h[23][^>]*>(dataset_1.*?)</h[23]>", text):
        assert study.NOT_OMNIGEN in heading
    figures = re.findall(r"<figcaption>.*?</figcaption>", text, re.S)
    marked = [figure for figure in figures if study.NOT_OMNIGEN in figure]
    known = datasets(gathered)
    own = sum(len(model.figures) + len(model.more) for model in known["my (faces)"].models) + len(
        known["my (faces)"].figures
    )
    assert marked and len(figures) - len(marked) == own
    # Wherever a table names it.
    for cell in re.findall(r"<t[hd][^>]*>([^<]*dataset_[12][^<]*)</t[hd]>", text):
        assert "stand-in" in cell or "/" in cell, cell


def test_warnings_of_the_audit_stand_beside_the_headline_and_in_the_section(parsed):
    assert parsed.text.count("The files' outside alone tells the classes apart (AUC 0.91).") == 2


def test_thresholds_that_tell_nothing_apart_are_named_with_their_reason(gathered, parsed):
    own = datasets(gathered)["my (faces)"].models[0]
    reasons = [found["why"] for found in own.run.thresholds()["stages"]["full"].values() if found["degenerate"]]
    assert reasons and all(f"on validation: {reason}." in parsed.text for reason in reasons)
    assert f"{len(reasons)} thresholds call (nearly) everything one class" in parsed.text
    assert datasets(gathered)["dataset_1"].models[1].short_warnings == []


def test_generators_stand_in_a_table_as_text_where_there_are_several(page, hostile_names):
    _, *found = page.read_text(encoding="utf-8").split("What the final model finds of each generator, on test: ")
    assert found and all(part.startswith("my (faces)") for part in found)
    table = found[-1].partition("</table>")[0]
    for name in hostile_names[:3]:
        assert f'<th scope="row">{escape(name)}</th>' in table


def test_the_headline_is_the_worst_generator_that_was_not_seen(gathered, page, parsed, hostile_names):
    text = page.read_text(encoding="utf-8")
    said = "On a generator that it has not seen: AUC 0.500 [0.375, 0.625] ("
    assert datasets(gathered)["my (faces)"].headline == f"{said}{hostile_names[0]})."
    assert datasets(gathered)["dataset_1"].headline == "" and text.count(said) == 1
    assert (
        f"<strong>{said}{escape(hostile_names[0])}).</strong>" in text and f"{said}{hostile_names[0]})." in parsed.text
    )
    table = text.partition("On generators that it has not seen, my (faces)")[2].partition("</table>")[0]
    assert all(escape(name) in table for name in hostile_names[:3]) and "too few test images" in table
    assert "<script>" not in table and "<img" not in table


def test_hostile_names_are_text_and_the_pages_own_script_is_the_only_one(parsed, page, hostile_names):
    kinds = [attributes.get("type") for tag, attributes in parsed.elements if tag == "script"]
    assert kinds == ["application/json"] * 3 + [None]
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")]
    tables = [json.loads(script) for script in parsed.scripts[:3]]
    files = [row[1] for table in tables for row in table["rows"]]
    assert set(hostile_names) <= set(files) and "bad</td>.jpg" in files
    assert "<b>unreadable</b>" in parsed.text and "49.png" not in page.read_text(encoding="utf-8")


def test_page_needs_nothing_but_itself(parsed):
    for tag, attributes in parsed.elements:
        assert tag not in ("link", "iframe", "object", "base")
        assert attributes.get("src", "data:").startswith("data:")
        assert not re.match(r"[a-z]+:", attributes.get("href", "")), attributes
    policy = next(found["content"] for _, found in parsed.elements if "Content-Security-Policy" in found.values())
    assert policy.startswith("default-src 'none'; img-src data:;") and "script-src 'sha256-" in policy


def test_links_lead_to_files_that_are_there(parsed, made_up):
    from urllib.parse import unquote

    links = [found["href"] for tag, found in parsed.elements if tag == "a"]
    assert len([link for link in links if link.endswith(".html")]) == 3
    identities = {found["id"] for _, found in parsed.elements if "id" in found}
    for link in links:
        assert link[1:] in identities if link.startswith("#") else (made_up / unquote(link)).is_file(), link


def test_figures_say_what_they_show_and_how_to_read_them(gathered):
    tuned = datasets(gathered)["dataset_1"].models[1]
    figures = {figure.title: figure for figure in [*tuned.figures, *tuned.more]}
    assert f"final model {tuned.auc}" in figures["ROC curves on test"].alt
    assert study.NOT_OMNIGEN in figures["ROC curves on test"].alt
    assert "lowest" in figures["After compression, scaling, blur, noise and crop"].alt
    assert "blur 2" in figures["After compression, scaling, blur, noise and crop"].alt
    assert all(figure.how for title, figure in figures.items() if title != "mine own")
    assert len({figure.alt for figure in figures.values()}) == len(figures)


def test_every_figure_that_notebooks_save_has_words():
    sources = [path.read_text(encoding="utf-8") for path in (study.PROJECT / "notebooks").glob("*.ipynb")]
    saved = {
        name for source in sources for name in re.findall(r'save_figure\([^"]*?\\"([a-z_0-9]+)\\"(?:,|\))', source)
    }
    assert len(saved) > 5 and not [name for name in saved if not words.figure_words(name)[1]]
    assert words.figure_words("ablation_full")[0].endswith("final model")


def test_no_text_speaks_of_an_unfrozen_network_that_was_not_kept(gathered):
    """Phase 1 is the final model of the made-up runs' only stage with a kept epoch: one row, and its name says so."""
    history = pd.DataFrame({"stage": ["phase1", "partial", "full", "full"], "epoch": [0, 0, 0, 1]})
    for model in datasets(gathered)["dataset_1"].models:
        run = model.run
        kept = history.assign(kept=[True, True, True, False])
        named = parts.names_of(SimpleNamespace(history=lambda kept=kept: kept), run.metrics()["stages"])
        assert list(named.values()) == ["final model: phase 1 (fine-tuning was tried and was not better)"]
        table = _stage_table("x", run.metrics()["stages"], named)
        assert [row[0] for row in table.rows] == list(named.values())
    sources = [path.read_text(encoding="utf-8") for path in (study.PROJECT / "notebooks").glob("*.ipynb")]
    assert not [source for source in sources if "fully unfrozen" in source or "Fully unfrozen" in source]


def test_figures_are_small_and_on_white_paper(tmp_path):
    Image.new("RGBA", (4000, 1000), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    source, width, height = pictures.embedded(tmp_path / "clear.png")
    assert (width, height) == (1600, 400) and source.startswith("data:image/webp;base64,") and len(source) < 20_000


def test_recipes_are_compared_as_the_paired_test_says(gathered, made_up):
    original, row = gathered.recipes.rows
    assert original[:2] == ["dataset_1 (stand-in)", "original"] and original[3] == ""
    tests = pd.read_csv(made_up / "paired_tests.csv")
    pair = {"dataset_1, original, full", "dataset_1, tuned, full"}
    known = next(found for found in tests.itertuples() if {found.first, found.second} == pair)
    sign = 1 if known.second == "dataset_1, tuned, full" else -1
    assert row[:2] == ["dataset_1 (stand-in)", "tuned"] and row[3].startswith(f"{sign * known.difference:+.3f} [")
    assert float(row[4]) == pytest.approx(known.p_holm, rel=0.05)


def test_every_finished_recipe_stands_beside_the_original_one(gathered, monkeypatch):
    monkeypatch.setitem(study.RECIPES, "wide", study.RECIPES["tuned"])
    dataset = gathered.datasets[0]
    models = {model.recipe: model for model in dataset.models}
    wide = dataclasses.replace(models["tuned"], recipe="wide")
    beside = lambda *models: across.recipes([dataclasses.replace(dataset, models=list(models))], pd.DataFrame())
    assert [row[1] for row in beside(wide, *models.values()).rows] == ["original", "tuned", "wide"]
    original, row = beside(wide, models["original"]).rows
    assert row[1:5] == ["wide", str(wide.auc), "–", "–"] and original[1] == "original"
    assert beside(wide, models["tuned"]) is None


def test_matrix_and_paired_tests_are_those_of_notebook_05(gathered, made_up):
    (found,) = gathered.comparisons
    matrix, recalls, paired = found.tables
    compared, tests = study.read_comparison(made_up)
    last = compared[(compared["stage"] == "full") & (compared["policy"] == "balanced")]
    assert [row[:2] for row in matrix.rows] == [
        ["dataset_1 (stand-in)", "original"],
        ["dataset_1 (stand-in)", "tuned"],
        ["my (faces)", "tuned"],
    ]
    for row, known in zip(matrix.rows, last.itertuples()):
        assert f"{known.roc_auc:.3f} [{known.roc_auc_low:.3f}, {known.roc_auc_high:.3f}] home" in " ".join(row)
    assert "at chance" in matrix.rows[2][3] and len(recalls.rows) == 3
    assert len(paired.rows) == len(tests) and paired.rows[0][0] == "dataset_1 (stand-in)"
    assert all("dataset_1 (stand-in), " in row[1] for row in paired.rows if row[0] != "my (faces)")


def test_a_pair_told_the_other_way_round_is_turned():
    row = {"tested_on": "a", "first": "a, tuned, full", "second": "a, original, full", "difference": -0.2}
    tests = pd.DataFrame([{**row, "low": -0.3, "high": -0.1, "p_holm": 0.01}])
    assert across._paired(tests, "a", "original", "tuned") == ("+0.200 [+0.100, +0.300]", "0.01")
    assert across._paired(tests, "b", "original", "tuned") == ("–", "–")


def test_image_table_calls_images_by_the_threshold_and_leaves_training_images_without_a_score(gathered):
    found = datasets(gathered)["my (faces)"]
    names = [column["name"] for column in found.images.columns]
    rows = [dict(zip(names, row)) for row in found.images.rows]
    assert len(rows) == 240 and rows[0]["Split"] == "set aside" and rows[0]["Issue"] == "set aside: <b>unreadable</b>"
    threshold = found.models[0].called
    for row in rows:
        score, called = row["Score, tuned"], row["Called, tuned"]
        assert (score is None) == (row["Split"] in ("train", "set aside"))
        if score is not None and abs(score - threshold) > 1e-4:
            assert called.split()[0] == ("synthetic" if score > threshold else "real")
            assert called.endswith("(wrong)") == (called.split()[0] != row["Label"])


@pytest.mark.parametrize(
    ("aside", "test", "shown"), [(10, 5000, (10, 1990)), (5000, 5000, (1000, 1000)), (5000, 500, (1500, 500))]
)
def test_large_image_tables_are_cut_and_say_so(aside, test, shown):
    count = aside + test + 3000
    images = pd.DataFrame({"image_id": [f"{at * 7919 % count:08}" for at in range(count)]})
    images["split"] = [""] * aside + ["test"] * test + ["train"] * 3000
    rows, note = _chosen_images(images)
    assert tuple((rows["split"] == split).sum() for split in ("", "test")) == shown and len(rows) == 2000
    assert note.startswith(
        f"2,000 of {count:,} images: {shown[0]:,} of {aside:,} set aside and {shown[1]:,} of {test:,}"
    )


def test_damaged_and_missing_numbers_are_not_called_results(copied):
    path = copied / "dataset_1" / "tuned" / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    metrics["stages"]["full"]["test"]["roc_auc"] = {"value": None, "low": None, "high": None}
    path.write_text(json.dumps(metrics), encoding="utf-8")
    found = datasets(content.gather(copied))["dataset_1"].models[1]
    assert found.standing == "undefined" and found.sentences[0].endswith("is undefined on these images.")
    assert "nan" not in Parsed(report.write(copied).read_text(encoding="utf-8")).text


def test_missing_parts_are_left_out_and_the_rest_is_shown(copied):
    for path in (
        "comparison.csv",
        "paired_tests.csv",
        "dataset_1/tuned/calibration.json",
        "dataset_1/tuned/robustness.csv",
    ):
        (copied / path).unlink()
    shutil.rmtree(copied / "dataset_1" / "tuned" / "figures")
    text = Parsed(report.write(copied).read_text(encoding="utf-8")).text
    assert "Notebook 05, which compares datasets, has not been run here yet." in text
    assert "None of datasets 1 to 4 has been compared here" in text
    assert "dataset_1: tuned recipe" in text


def test_what_is_being_written_or_failed_is_not_shown(copied):
    folder = copied / "dataset_1" / "tuned"
    (folder / "figures" / ".writing-x.png").touch()
    (folder / "06_robustness.partial.ipynb").write_text("{")
    text = report.write(copied).read_text(encoding="utf-8")
    assert "writing-x" not in text and "06_robustness" not in text


def test_same_results_give_the_same_bytes_and_notebooks_are_converted_once(copied, made_up):
    first = report.write(copied).read_bytes()
    assert first == (made_up / "index.html").read_bytes()
    assert notebooks.write_pages(copied) == []
    pages = sorted(copied.rglob("0*.html"))
    assert [path.read_bytes() for path in pages] == [path.read_bytes() for path in sorted(made_up.rglob("0*.html"))]
    notebook = pages[0].with_suffix(".ipynb")
    notebook.write_text(notebook.read_text(encoding="utf-8").replace("A paragraph.", "Another."), encoding="utf-8")
    assert notebooks.write_pages(copied) == [pages[0]] and "Another." in pages[0].read_text(encoding="utf-8")


def test_notebooks_as_html_keep_their_words_and_lose_what_runs_or_loads(made_up, page):
    text = (made_up / "dataset_1" / "tuned" / "02_phase1_training.html").read_text(encoding="utf-8")
    found = Parsed(text)
    assert {"h1", "p", "table", "td", "strong"} <= {tag for tag, _ in found.elements}
    for tag, attributes in found.elements:
        assert tag not in ("script", "iframe", "img", "link"), tag
        assert not [name for name in attributes if name.startswith("on")]
    assert "A title & more" in found.text and "1 < 2" in found.text and notebooks.PANEL_WORDS in found.text
    assert "p {}" not in found.text and 'href="../../index.html"' in text


def test_notebooks_as_html_fold_code_and_answers_and_show_changed_parameters_alone(made_up, page):
    text = (made_up / "dataset_1" / "tuned" / "02_phase1_training.html").read_text(encoding="utf-8")
    # Two code cells are left beside the parameters, one of them about its code; no folding needs a script.
    assert text.count('<details class="code"><summary>Code</summary><div class="input_area">') == 1
    assert re.search(r'<details class="code" open><summary>Code</summary><div class="input_area">.*head', text)
    assert text.count("<details") == text.count("</details>") == 3
    assert re.search(r"<details><summary>Answer</summary>\s*<p><strong>forty-two</strong></p>\s*</details>", text)
    said = Parsed(text).text
    assert "Parameters that were changed:" in said and "my <b>faces" in said
    assert "SEED" not in said and "as it stands" not in said


def test_parameters_that_are_as_they_stand_are_one_sentence():
    cells = [nbformat.v4.new_code_cell("SEED = 7", metadata={"tags": ["parameters"]})]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebooks._show_changed_parameters(notebook)
    assert [cell.source for cell in notebook.cells] == ["Parameters: as the notebook has them."]


def test_a_damaged_file_is_one_line_and_leaves_the_old_page(copied, made_up, capsys):
    before = (made_up / "index.html").read_bytes()
    (copied / "dataset_1" / "tuned" / "metrics.json").write_text("{")
    said = refused(report.write, copied)
    assert str(copied) in said and "damaged or of another version" in said
    assert command.main([str(copied)]) == 2 and said in capsys.readouterr().err
    assert (copied / "index.html").read_bytes() == before


def test_nothing_to_report_is_one_line(tmp_path):
    assert "no dataset has been audited" in refused(report.write, tmp_path)


def test_command_writes_the_page_and_names_it(copied, capsys):
    (copied / "index.html").unlink()
    assert command.main([str(copied)]) == 0
    assert capsys.readouterr().out.strip() == str(copied / "index.html") and (copied / "index.html").is_file()


def test_quick_runs_have_a_page_of_their_own_that_says_so(made_up, tmp_path):
    quick = shutil.copytree(made_up, tmp_path / "results" / "quick")
    (tmp_path / "results" / "quick" / "index.html").unlink()
    assert "Quick runs." in Parsed(report.write(quick).read_text(encoding="utf-8")).text
    assert study.executed_notebooks(tmp_path / "results") == []


def test_a_run_keeps_its_results_where_the_report_fails(monkeypatch):
    def broken(results):
        raise RuntimeError("on\npurpose")

    monkeypatch.setattr(report, "write", broken)
    with pytest.raises(run_all.StepFailed) as error:
        run_all.write_report(HOME / "results")
    assert "the report was not written (on purpose); all results are kept" in str(error.value)


def test_quick_runs_alone_are_reported_and_it_is_said(own_home, capsys):
    run = study.open_run(dataset="1", quick=True)
    finish(run)
    assert command.main([]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(own_home / "results" / "quick" / "index.html") and "quick runs alone" in shown.err


def test_a_notebook_that_cannot_be_shown_says_whether_it_or_nbconvert_is_wrong(own_home, monkeypatch):
    run = study.open_run(dataset="1")
    finish(run)
    path = run.folder / "01_data_audit.ipynb"
    path.write_text("{")
    assert f"{path}: no whole notebook" in refused(report.write, run.results)
    path.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')

    def without_template(*_, **__):
        raise ValueError("No template sub-directory with name 'basic' found")

    monkeypatch.setattr("nbconvert.exporters.HTMLExporter.__init__", without_template)
    said = refused(report.write, run.results)
    assert (
        "01_data_audit.ipynb: nbconvert cannot make a page of it" in said
        and "damaged" not in said
        and "No template" in said
    )


def test_a_run_that_is_not_finished_is_named_and_its_numbers_are_not_shown(own_home):
    for name in ("1", "2"):
        finish(study.open_run(dataset=name))
    run = study.open_run(dataset="1")
    run.add_stage(run.scores().query("stage == 'full'"), run.history())
    found = {dataset.name: dataset for dataset in content.gather(run.results).datasets}
    assert found["dataset_1"].models == [] and len(found["dataset_2"].models) == 1
    assert found["dataset_1"].sentences[-1].startswith("Dataset_1, tuned recipe: left out, because its training was")


def test_what_could_not_be_measured_is_a_row_that_says_why(own_home):
    run = study.open_run(dataset="1")
    finish(run)
    scored = study.home_scores([run])
    names = {"trained_on": "dataset_1", "recipe": "tuned", "tested_on": "dataset_2", "overlap_removed": 5}
    missing = [{**names, "stage": stage, "why": "nothing left"} for stage in study.STAGES]
    compared = study.with_warnings(comparison.compare(scored, study.all_thresholds([run]), missing), [run])
    study.write_comparison(run.results, compared, comparison.paired_by_test_set(scored)[0])
    (found,) = content.gather(run.results).comparisons
    matrix, recalls = found.tables[:2]
    assert matrix.rows[0][-1] == "not measured"
    assert recalls.rows[1][-4:] == ["5", "not measured", "not measured", "nothing left"]
