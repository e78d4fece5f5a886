"""Plans of OmniGen images: even, deterministic, from photographs that are never both reference and real image."""

import itertools

import numpy as np
import pandas as pd
import pytest
from omnigen_support import PEOPLE, job, photograph, photographs, prompts
from PIL import Image
from support import refused

from lib.data.omnigen.job import describe, hours, open_job
from lib.data.omnigen.plan import Row, assign_uses, draw_plan, poses, read_photographs, tags, wrong_references
from lib.data.omnigen.prompts import read_settings
from lib.study.names import UserError


def people(count: int, each: int) -> pd.DataFrame:
    rows = [(f"p{person}", f"{photo}.jpg") for person in range(count) for photo in range(each)]
    return pd.DataFrame(rows, columns=["person", "name"]).assign(usable=True)


def plan(count: int, each: int, images: int, seed: int = 7) -> pd.DataFrame:
    return draw_plan(assign_uses(people(count, each), images, seed), read_settings(), images, seed)


# ----------------------------------------------------------------------------------------------------------------- plan


def spread(counts: pd.Series, cells: int) -> int:
    """Largest minus smallest count, cells without any counted too."""
    return int(counts.max() - (counts.min() if len(counts) == cells else 0))


@pytest.mark.parametrize(("count", "images"), [(12, 24), (50, 534), (7, 210), (3, 200), (40, 11)])
def test_people_expressions_angles_and_their_pairs_are_covered_evenly(count, images):
    rows = plan(count, 8, images)
    assert len(rows) == images
    for columns, cells in (
        (["person"], count),
        (["expression"], 6),
        (["angle"], 5),
        (["expression", "angle"], 30),
        (["person", "expression", "angle"], count * 30),
    ):
        assert spread(rows.groupby(columns).size(), cells) <= 1, columns
    numbers = rows["references"].str.count(r"\|").groupby(rows["person"]).value_counts().unstack(fill_value=0)
    assert (numbers.max(axis=1) - numbers.min(axis=1)).max() <= 1


@pytest.mark.parametrize(("first", "second"), [("abcdef", "vwxyz"), ("abcd", "wxyz"), ("abcdef", "wxyz"), ("a", "z")])
def test_poses_hold_every_pair_once_and_every_stretch_is_even(first, second):
    found = poses(first, second)
    assert sorted(found) == sorted(itertools.product(first, second))
    for length in range(1, len(found)):
        counts = [[pose[0] for pose in found[:length]].count(name) for name in first]
        assert max(counts) - min(counts) <= 1


def test_the_plan_follows_from_its_seed_and_every_row_has_its_own():
    rows = plan(12, 6, 100)
    pd.testing.assert_frame_equal(rows, plan(12, 6, 100))
    assert not rows.equals(plan(12, 6, 100, seed=8))
    assert rows["seed"].is_unique


def test_prompts_name_each_reference_once_and_nobody_by_name():
    rows = plan(12, 6, 100)
    for row in rows.itertuples():
        names = row.references.split("|")
        assert len(set(names)) == len(names) and tags(len(names)) in row.prompt
        assert wrong_references(names, row.prompt) == "" and row.person not in row.prompt
    assert tags(3) == "<img><|image_1|></img>, <img><|image_2|></img> and <img><|image_3|></img>"


@pytest.mark.parametrize(("each", "references", "real"), [(2, 1, 1), (3, 1, 2), (4, 2, 2), (9, 3, 6)])
def test_a_photograph_is_a_reference_or_a_real_image_never_both(each, references, real):
    uses = assign_uses(people(12, each), 1000, 7).groupby("person")["use"].value_counts().unstack(fill_value=0)
    assert (uses["reference"] == references).all() and (uses["real"] == real).all()


def test_real_images_are_as_many_as_asked_for_and_spread_over_people():
    photos = assign_uses(people(12, 20), 30, 7)
    each = photos[photos["use"] == "real"]["person"].value_counts()
    assert each.sum() == 30 and len(each) == 12 and each.max() - each.min() <= 1
    assert set(photos["use"]) == {"reference", "real", ""}


def test_one_photograph_each_leaves_no_real_class():
    assert "none of 12 photographs is left for the real class (0 are" in refused(assign_uses, people(12, 1), 10, 7)
    small = people(12, 5).assign(usable=False)
    assert "(60 are smaller than the [door] size" in refused(assign_uses, small, 10, 7)


def test_cost_counts_references_steps_and_pixels():
    rows = [Row("p", ("a",), "e", "a", "", 1, 512, 50, 2.5, 1.6)] * 100
    assert hours(rows)["RTX 3090"] == pytest.approx(1.0)
    half = [Row("p", ("a", "b"), "e", "a", "", 1, 1024, 25, 2.5, 1.6)] * 100
    assert hours(half)["RTX 3090"] == pytest.approx(100 * 43 * 2 / 3600)


# ---------------------------------------------------------------------------------------------------------- photographs


def test_photographs_of_people_are_found_whatever_their_names(tmp_path):
    root = photographs(tmp_path / "a b é", each=2)
    (root / "LICENCE.txt").write_text("beside the people")
    (root / "anna" / ".DS_Store").write_text("hidden")
    photos = read_photographs(root, 64)
    assert sorted(photos["person"].unique()) == sorted(PEOPLE) and len(photos) == 24 and photos["usable"].all()


def test_small_photographs_are_references_only(tmp_path):
    photograph(tmp_path / "anna" / "small.png", 1, (80, 70))
    photograph(tmp_path / "anna" / "large.png", 2, (300, 100))
    photos = read_photographs(tmp_path, 100).set_index("name")
    assert not photos.loc["small.png", "usable"] and photos.loc["large.png", "usable"]


def test_a_scaled_copy_of_a_photograph_counts_once(tmp_path):
    large = photograph(tmp_path / "anna" / "a.png", 1, (300, 300))
    Image.open(large).resize((150, 150)).save(tmp_path / "anna" / "b.jpg", quality=60)
    photograph(tmp_path / "anna" / "c.png", 2)
    assert read_photographs(tmp_path, 64)["name"].tolist() == ["a.png", "c.png"]


def test_photographs_that_cannot_be_used_are_refused_in_one_line(tmp_path):
    assert "no such folder" in refused(read_photographs, tmp_path / "nowhere", 64)
    assert "no folders in it" in refused(read_photographs, tmp_path, 64)
    anna = tmp_path / "anna"
    anna.mkdir()
    assert "anna: no photograph of this person; expected at least one" in refused(read_photographs, tmp_path, 64)
    photograph(anna / "1.jpg", 1)
    (anna / "2.jpg").write_bytes((anna / "1.jpg").read_bytes()[:900])
    assert "2.jpg: cannot be decoded" in refused(read_photographs, tmp_path, 64)
    (anna / "2.jpg").write_text("no picture")
    assert "2.jpg: not an image; expected a photograph: replace or remove it" in refused(read_photographs, tmp_path, 64)
    (anna / "2.jpg").unlink()
    (anna / "more").mkdir()
    assert "more: not a file" in refused(read_photographs, tmp_path, 64)
    (anna / "more").rmdir()
    photograph(anna / "a|b.jpg", 2)
    assert "its name cannot be written in a table" in refused(read_photographs, tmp_path, 64)
    (anna / "a|b.jpg").unlink()
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "x.jpg").write_bytes((anna / "1.jpg").read_bytes())
    assert "are the same picture of two people" in refused(read_photographs, tmp_path, 64)


def test_a_persons_folder_that_links_elsewhere_is_refused(tmp_path):
    photographs(tmp_path / "elsewhere", ["x"], 1)
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "x").symlink_to(tmp_path / "elsewhere" / "x")
    assert "a link that points outside" in refused(read_photographs, tmp_path / "people", 64)


# ---------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{references}. The", "the photographs. The", "the placeholder {references} is missing"),
        ("The person {expression}, ", "", "the placeholder {expression} is missing"),
        ("{angle}.", "{angle}, {person}.", "found '{person}', expected {references}, {expression} and {angle} alone"),
        ("{angle}.", "{angle}, <|image_4|>.", "without < >"),
        ("size = 96 ", "size = 100 ", "[model] size: found 100, expected a multiple of 16"),
        ("size = 96 ", "size = 0 ", "[model] size: found 0, expected a multiple of 16"),
        ("size = 96 ", 'size = "96" ', "expected a whole number"),
        ("steps = 50", "steps = true", "expected a whole number"),
        ("guidance = 2.5", "guidance = nan", "expected a number"),
        ("size = 64 ", "size = 128 ", "[door] size: found 128, expected 64 to 96"),
        ("quality = 90", "quality = 101", "expected 1 to 100"),
        ("quality = 90", "qualität = 90", "cannot be read as TOML"),
        ("[angles]", "[turns]", "expected templates, expressions, angles, model, door"),
        ('"looks sad"', '"looks\\nsad"', "[expressions] sad: found 'looks\\nsad', expected a phrase of one line"),
        ("templates = [", "templates = []\nothers = [", "the keys"),
    ],
)
def test_words_that_cannot_be_used_are_refused_in_one_line(tmp_path, old, new, said):
    assert said in refused(read_settings, prompts(tmp_path / "p.toml", old, new))


def test_settings_are_those_of_the_file(tmp_path):
    settings = read_settings(prompts(tmp_path / "p.toml"))
    assert (settings.size, settings.steps, settings.door) == (96, 50, (64, 90)) and len(settings.expressions) == 6
    assert "no such file" in refused(read_settings, tmp_path / "none.toml")
    assert read_settings().size == 512


# ------------------------------------------------------------------------------------------------------------------ job


def test_a_plan_can_be_edited_and_is_checked(tmp_path, own_home):
    path = job(tmp_path, own_home).place / "plan.csv"

    def edited(column: str, value: str) -> str:
        frame = pd.read_csv(path, dtype=str)
        changed = frame.copy()
        changed.loc[1, column] = value
        changed.to_csv(path, index=False)
        try:
            return refused(lambda: job(tmp_path, own_home))
        finally:
            frame.to_csv(path, index=False)

    known = pd.read_csv(path, dtype=str).loc[1, "references"]
    first = known.split("|")[0]
    assert "line 3: found 0 references, expected 1 to 3" in edited("references", "")
    assert "line 3: found 4 references, expected 1 to 3" in edited("references", "|".join([first] * 4))
    assert "has not each placeholder once; expected <img>" in edited("prompt", "somebody famous")
    assert "line 3, column size: found '100', expected a multiple of 16 from 64" in edited("size", "100")
    assert "line 3, column steps" in edited("steps", "many")
    assert "line 3, column person: found 'nobody'" in edited("person", "nobody")
    count = known.count("|") + 1
    assert "expected references of" in edited("references", "|".join(["other.jpg", "b.jpg", "c.jpg"][:count]))
    frame = pd.read_csv(path, dtype=str)
    pd.concat([frame, frame.iloc[:1]]).to_csv(path, index=False)
    assert "this is line 2 again" in refused(lambda: job(tmp_path, own_home))
    frame.iloc[:5].to_csv(path, index=False)
    assert len(job(tmp_path, own_home).rows) == 5
    frame.rename(columns={"seed": "saat"}).to_csv(path, index=False)
    assert "expected person, references" in refused(lambda: job(tmp_path, own_home))


def test_other_options_draw_another_plan_until_an_image_is_there(tmp_path, own_home):
    first = job(tmp_path, own_home)
    assert len(job(tmp_path, own_home, images=30).rows) == 30
    assert job(tmp_path, own_home).rows == first.rows
    (first.work / "provenance").mkdir()
    (first.work / "provenance" / "0.json").write_text("{}")
    assert "begun with other --images" in refused(lambda: job(tmp_path, own_home, images=30))
    photograph(first.references / "anna" / "new.jpg", 9999)
    assert "begun with other the photographs" in refused(lambda: job(tmp_path, own_home))


def test_the_default_is_as_many_images_as_the_dataset_has(tmp_path, own_home):
    made = job(tmp_path, own_home, images=0)
    assert len(made.rows) == 534
    said = describe(made)
    assert (
        "534 images of 12 people" in said
        and "RTX 3090" in said
        and "docs/omnigen.md" in said
        and str(own_home) not in said
    )


def test_a_place_that_is_taken_is_left_alone(tmp_path, own_home):
    (own_home / "datasets" / "1").mkdir(parents=True)
    job(tmp_path, own_home)
    (own_home / "datasets" / "1" / "real").mkdir()
    assert "something is there already; move it away" in refused(lambda: job(tmp_path, own_home))


def test_options_are_checked(own_home):
    for options, said in (
        ({"dataset": "control", "references": "x"}, "expected one of 1, 2, 3, 4"),
        ({"dataset": "1", "references": ""}, "--references: expected a folder"),
        ({"dataset": "1", "references": "x", "images": -1}, "--images -1"),
        ({"dataset": 1, "references": ""}, "--references: expected a folder"),
        ({"dataset": "1", "references": "x", "seed": "y"}, "--seed 'y': expected a whole number"),
        ({"dataset": "1", "references": "x", "tiny": "perhaps"}, "--tiny 'perhaps': expected True or False"),
    ):
        with pytest.raises(UserError, match=said):
            open_job(**options)


def test_portraits_are_drawn_where_a_tiny_job_has_no_references(own_home, monkeypatch):
    from lib.data.omnigen import examples

    monkeypatch.setattr(examples, "PEOPLE", 3)
    # As papermill hands them over.
    made = open_job(dataset=1, references=None, images="0", seed="7", tiny="True")
    assert made.target == own_home / "datasets" / "tiny" and len(made.rows) == 6
    assert {row.size for row in made.rows} == {64} and "NOISE" in describe(made)
    assert np.all(made.photos["usable"])
