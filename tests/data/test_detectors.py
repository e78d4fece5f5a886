"""What is compared: finished runs by name, other detectors by their scores, and one clear line for what is neither."""

import pandas as pd
import pytest
from support import finish, finish_stages, refused

from lib.data.source import detectors
from lib.study.run import open_run

COLUMNS = "image_id,label,split,score"


def lines(images, score="0.{at}", splits=("validation", "test")):
    """Rows of a scores file about the images of a run."""
    rows = images[images["split"].isin(splits)]
    return [f"{row.image_id},{row.label},{row.split},{score.format(at=row.Index % 89)}" for row in rows.itertuples()]


@pytest.fixture
def own(own_home):
    """Dataset 1 finished by both recipes, dataset 2 by one; returns the images of dataset 1."""
    finish(open_run(dataset="1", recipe="original"), evaluated=False)
    finish(open_run(dataset="2"), count=120, evaluated=False)
    return finish(open_run(dataset="1"), evaluated=False)


def test_finished_runs_are_named_by_dataset_number_or_recipe(own):
    def named(*names):
        runs, others = detectors.compared(open_run(compare=names))
        assert others == []
        return [f"{run.name}/{run.recipe.name}" for run in runs]

    everything = ["dataset_1/original", "dataset_1/tuned", "dataset_2/tuned"]
    assert named() == everything and named("2", "dataset_1") == [everything[2], *everything[:2]]
    assert named("dataset_1/tuned", "1", "dataset_1/tuned") == [everything[1], everything[0]]


def test_scores_of_a_datasets_images_are_tested_there_with_its_groups(own, table):
    path = table(COLUMNS, *lines(own), name="theirs.csv")
    runs, (found,) = detectors.compared(open_run(compare=["dataset_1/tuned", str(path)]))
    assert (found.name, found.tested_on, found.dataset.name) == ("theirs", "dataset_1", "dataset_1")
    rows = found.rows()
    assert list(rows.columns) == detectors.SCORED and rows["split"].value_counts().to_dict() == {
        "validation": 80,
        "test": 80,
    }
    mine = runs[0].scored().query("stage == 'full' and split == 'test'").set_index("image_id")
    theirs = rows[rows["split"] == "test"].set_index("image_id")
    assert theirs["group"].equals(mine["group"].reindex(theirs.index)) and theirs["y"].equals(
        mine["y"].reindex(theirs.index)
    )
    assert "80 test images of dataset_1 (made-up images); thresholds chosen on its 80 validation" in found.describe()


def test_labels_that_contradict_the_dataset_are_refused(own, table):
    turned = own.assign(label=own["label"].map({"real": "synthetic", "synthetic": "real"}))
    path = table(COLUMNS, *lines(turned))
    said = refused(detectors.compared, open_run(compare=[str(path)]))
    assert "image dataset_1-0080 is synthetic here and real in images.csv of dataset_1" in said


def test_unknown_images_are_a_test_set_of_their_own_shared_by_those_who_scored_them(own, table):
    strange = own.assign(image_id=own["image_id"].str.replace("dataset_1", "theirs"))
    paths = [
        table(COLUMNS, *lines(strange), name="a.csv"),
        table(COLUMNS, *lines(strange, "-{at}e1", ("test",)), name="b.csv"),
        table(COLUMNS, *lines(strange.iloc[:-8]), name="c.csv"),
    ]
    _, found = detectors.compared(open_run(compare=[str(path) for path in paths]))
    assert [(one.name, one.tested_on, one.dataset) for one in found] == [
        ("a", "a", None),
        ("b", "a", None),
        ("c", "c", None),
    ]
    assert "compared by its ranking alone" in found[1].describe() and "not known here" in found[1].describe()
    assert len(detectors.rows_of(found)) == sum(len(one.rows()) for one in found)
    assert detectors.rows_of([]).empty and list(detectors.rows_of([]).columns) == detectors.SCORED


def test_of_datasets_with_the_same_names_the_one_with_that_test_split_is_meant(own, table):
    run = open_run(data="/some/more", name="more")
    bigger = finish(run, count=360, evaluated=False)
    bigger["image_id"] = [f"dataset_1-{at:04}" for at in range(360)]
    run.write_audit(bigger, run.pairs(), run.audit())
    _, (found,) = detectors.compared(open_run(compare=[str(table(COLUMNS, *lines(own)))]))
    assert found.tested_on == "dataset_1"
    _, (found,) = detectors.compared(open_run(compare=[str(table(COLUMNS, *lines(bigger)))]))
    assert found.tested_on == "more"


def test_which_dataset_is_meant_is_asked_where_it_cannot_be_told(own, table):
    control = open_run(dataset="control")
    finish(control, evaluated=False)
    # Stand-ins of several datasets have the same names.
    control.write_audit(own, control.pairs(), control.audit())
    finish_stages(control, own, evaluated=False)
    path = str(table(COLUMNS, *lines(own)))

    def tested_on(*names):
        _, (found,) = detectors.compared(open_run(compare=names))
        return found.tested_on

    assert tested_on("1", path) == "dataset_1" and tested_on("control/tuned", path) == "control"
    assert tested_on("1", "control", f"1={path}") == "dataset_1" and tested_on(f"control={path}") == "control"
    for names in ([path], ["1", "control", path]):
        said = refused(detectors.compared, open_run(compare=names))
        assert f"named as those of control and of dataset_1; say which is meant: control={path}" in said
    said = refused(detectors.compared, open_run(compare=[f"2={path}"]))
    assert "dataset_2 is no dataset with these test images; control, dataset_1 has them" in said


def test_names_that_are_nothing_are_refused_with_what_there_is(own, table):
    said = refused(detectors.compared, open_run(compare=["dataset_9"]))
    assert (
        "--compare dataset_9: neither a finished run in" in said
        and "(dataset_1, dataset_2)" in said
        and COLUMNS in said
    )
    path = table(COLUMNS, *lines(own), name="dataset_1.csv")
    assert "'dataset_1' is the name of two things" in refused(detectors.compared, open_run(compare=["1", str(path)]))


GOOD = [f"{kind}{at},{kind},{split},0.{at}" for kind in ("real", "fake") for split in ("val", "test") for at in (1, 2)]
# Images have names of their own.
GOOD = [f"{at}{line}" for at, line in enumerate(GOOD)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ["image_id,label,score", "a,real,1"],
            "column split is missing; found columns 'image_id', 'label', 'score', expected",
        ),
        (["image_id,label,split,score,Score", "a,real,test,1,2"], "column score is twice"),
        ([COLUMNS, *GOOD, "x,real,test,high"], "line 10, column score: found 'high', expected a finite number"),
        ([COLUMNS, *GOOD, "x,real,test,nan"], "line 10, column score: found 'nan', expected a finite number"),
        ([COLUMNS, *GOOD, "x,cat,test,1"], "line 10, column label: found 'cat', expected real, synthetic or fake"),
        ([COLUMNS, *GOOD, "x,real,,1"], "line 10, column split: found '', expected test or validation"),
        ([COLUMNS, *GOOD, ",real,test,1"], "line 10, column image_id: found '', expected a name"),
        ([COLUMNS, *GOOD, GOOD[0]], "line 10, column image_id: found '0real1', expected each image once"),
        (
            [COLUMNS, *GOOD[:4]],
            "validation rows of stage 'scores' hold 0 synthetic images or groups; expected at least 2",
        ),
        ([COLUMNS, *GOOD[:2], *GOOD[4:6]], "column split: found no test rows"),
        (
            [f"{COLUMNS},stage", *(f"{line},a" for line in GOOD), "0real1,fake,val,1,b"],
            "line 10, column label: found 'synthetic', expected what the image has above",
        ),
        (
            [f"{COLUMNS},group", *(f"{line},p" for line in GOOD)],
            "validation rows of stage 'scores' hold 1 real images or groups",
        ),
    ],
)
def test_a_file_that_is_no_scores_file_is_refused_in_one_line(table, rows, said):
    assert f"images.csv: {said}" in refused(detectors.read_scores, table(*rows))


def test_scores_files_are_read_in_the_words_people_use(table):
    path = table(
        "Image_ID, Label ,SPLIT,score,stage,extra",
        *(f"{line},{stage},x" for line in GOOD for stage in ("last", "first")),
        "seen,1,train,0.5,last,x",
    )
    found = detectors.read_scores(path)
    assert list(found.columns) == ["image_id", "label", "split", "stage", "score", "group"]
    assert set(found["label"]) == {"real", "synthetic"} and set(found["split"]) == {"validation", "test"}
    assert list(dict.fromkeys(found["stage"])) == ["last", "first"] and "seen" not in set(found["image_id"])
    assert (found["group"] == found["image_id"]).all() and found["score"].dtype == float
    assert set(detectors.read_scores(table(COLUMNS, *GOOD))["stage"]) == {"scores"}


def test_groups_of_a_file_are_kept_where_its_images_are_not_known(own, table):
    path = table(
        f"{COLUMNS},group", *(f"{line},{at // 2}" for at, line in enumerate([*GOOD, *(f"x{line}" for line in GOOD)]))
    )
    _, (found,) = detectors.compared(open_run(compare=[str(path)]))
    assert isinstance(found.scores, pd.DataFrame) and found.rows()["group"].nunique() == 8


def test_nothing_finished_is_said_in_one_line(own_home):
    assert "run notebooks 01 to 04" in refused(detectors.compared, open_run())


def test_scores_the_wrong_way_round_get_a_hint(own, table):
    score = (own["label"] == "real") * 0.6 + own.index % 89 / 300
    rows = own.assign(score=score).query("split == 'test'")
    path = table(
        COLUMNS, *[f"{row.image_id},{row.label},test,{row.score}" for row in rows.itertuples()], name="wrong.csv"
    )
    _, (found,) = detectors.compared(open_run(compare=["1", str(path)]))
    assert (
        "put real images above synthetic ones (AUC 0." in found.describe()
        and "give 1 - score instead" in found.warning()
    )
    turned = [f"{row.image_id},{row.label},test,{1 - row.score}" for row in rows.itertuples()]
    _, (found,) = detectors.compared(open_run(compare=["1", str(table(COLUMNS, *turned, name="right.csv"))]))
    assert found.warning() == "" and "above synthetic" not in found.describe()


def test_a_run_that_is_begun_is_left_out_and_named_by_what_it_lacks(own):
    run = open_run(dataset="2")
    run.add_stage(run.scores().query("stage == 'full'"), run.history())
    runs, _ = detectors.compared(open_run())
    assert {found.name for found in runs} == {"dataset_1"}
    said = refused(detectors.compared, open_run(compare=["2"]))
    assert "--compare 2: not finished; dataset_2, tuned recipe: left out, because its training was stopped" in said
