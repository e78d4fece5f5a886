"""Results for each generator: worst first, only where there are enough images, and nothing of a name becomes markup."""

import json

import numpy as np
import pandas as pd
import pytest
import support

from lib.metrics import by_value, evaluation, measures
from lib.metrics.checks import Interval
from lib.metrics.words import thresholds as words


def rows(generators, found=0.9, seed=0, real=60):
    """Made-up test images: real ones score about 0, of each synthetic image `found` says how likely it is called so."""
    rng = np.random.default_rng(seed)
    made = [name for name, count in generators.items() for _ in range(count)]
    chance = np.array([found.get(name, 0.9) if isinstance(found, dict) else found for name in made])
    scores = np.r_[rng.uniform(0, 0.6, real), np.where(rng.random(len(made)) < chance, 0.8, 0.2)]
    frame = pd.DataFrame({"y": [0] * real + [1] * len(made), "score": scores, "generator": [""] * real + made})
    return frame.assign(group=[f"g{n // 2}" for n in range(len(frame))], image_id=[f"i{n}" for n in range(len(frame))])


def test_the_worst_generator_comes_first_with_the_values_of_the_measures_themselves():
    frame = rows({"a": 40, "b": 40}, {"a": 0.95, "b": 0.3})
    entries = by_value.by_value(frame, 0.5)
    assert [entry["value"] for entry in entries] == ["b", "a"]
    for entry in entries:
        mine = frame[(frame["y"] == 0) | (frame["generator"] == entry["value"])]
        recall, auc = (Interval.from_dict(entry[name]) for name in by_value.MEASURES)
        assert recall.value == pytest.approx(measures.recall_synthetic(mine["y"], mine["score"], 0.5))
        assert auc.value == pytest.approx(measures.roc_auc(mine["y"], mine["score"]))
        expected = measures.bootstrap_intervals(mine["y"], mine["score"], mine["group"], 0.5, by_value.MEASURES)
        assert (recall, auc) == (expected["recall_synthetic"], expected["roc_auc"])
    assert "lowest for b" in words.generators_seen(entries) and "do not overlap" in words.generators_seen(entries)


def test_a_generator_that_is_always_found_still_has_an_interval():
    first, *_ = by_value.by_value(rows({"a": 20, "b": 20}, 1.0), 0.5)
    assert first["recall_synthetic"]["value"] == 1 and first["recall_synthetic"]["low"] < 0.9
    assert "overlap: on these images no generator can be called worse" in words.generators_seen(
        by_value.by_value(rows({"a": 20, "b": 20}, 1.0), 0.5)
    )


def test_a_generator_of_three_pictures_is_too_few_and_last():
    entries = by_value.by_value(rows({"a": 3, "b": 20, "": 9, "c": 10}), 0.5)
    assert {entry["value"] for entry in entries[:2]} == {"b", "c"}
    assert [(entry["value"], entry["images"]) for entry in entries[2:]] == [("", 9), ("a", 3)]
    table = by_value.shown(entries)
    assert table["generator"].tolist()[2:] == ["not known", "a"]
    assert table["recall synthetic"].tolist()[2:] == table["AUC against all real"].tolist()[2:] == ["too few"] * 2
    assert "2 have too few test images" in words.generators_seen(entries)


def test_images_of_one_group_have_no_interval_and_stop_nothing():
    frame = rows({"a": 20, "b": 20})
    frame.loc[frame["generator"] == "a", "group"] = "one video"
    entries = by_value.by_value(frame, 0.5)
    assert [entry["recall_synthetic"]["value"] is None for entry in entries] == [False, True]


def test_one_generator_is_none_to_compare():
    assert not by_value.is_several(rows({"a": 30})) and not by_value.is_several(rows({"a": 30, "": 30}))
    assert not by_value.is_several(rows({"a": 30, "b": 3}).drop(columns="generator"))
    assert by_value.is_several(rows({"a": 30, "b": 1}))
    assert "fewer than two generators" in words.generators_seen([])
    assert "Fewer than two generators have enough" in words.generators_seen(
        by_value.by_value(rows({"a": 30, "b": 1}), 0.5)
    )


def test_ten_thousand_values_are_one_row_beyond_the_most():
    entries = by_value.by_value(rows({f"prompt {n}": 1 for n in range(10_000)} | {"big": 12}), 0.5)
    assert len(entries) == by_value.MOST_VALUES + 1 and entries[0]["value"] == "big"
    assert entries[-1]["values"] == 10_001 - by_value.MOST_VALUES
    assert by_value.shown(entries)["generator"].iloc[-1] == "9,951 more"
    assert len(json.dumps(entries)) < 20_000


MARKUP = ("<script>alert(1)</script>", "[x](javascript:y)", "a*b*_c_ |$x$| `d`", "two\n\n# lines")


@pytest.mark.parametrize("name", [*MARKUP, "=1+1", "x" * 99])
def test_names_are_text_in_tables_and_sentences(name):
    entries = by_value.by_value(rows({name: 20, "b": 20}, {name: 0.1}), 0.5)
    assert name in by_value.shown(entries)["generator"].tolist()
    html = by_value.shown(entries).to_html()
    assert "<script>" not in html
    said = words.generators_seen(entries)
    assert "<" not in said and "\n" not in said and "x" * 41 not in said
    for mark in "*_[`$|":
        assert f"\\{mark}" in said or mark not in name


def evaluated(frame):
    both = pd.concat([frame.assign(split=split) for split in ("validation", "test")])
    return evaluation.evaluate(both.assign(stage="phase1"))


def test_metrics_have_generators_only_where_there_are_several():
    frame = rows({"a": 30, "b": 30, "c": 3}, {"a": 0.5})
    plain, chosen = evaluated(frame.drop(columns="generator"))
    assert evaluated(frame.assign(generator=np.where(frame["y"], "a", "")))[0] == plain
    metrics, same = evaluated(frame)
    added = metrics["phase1"].pop("generators")
    assert metrics == plain and same == chosen
    assert added == by_value.by_value(frame, chosen["phase1"]["balanced"]["threshold"])
    metrics["phase1"]["generators"] = added
    content = {"schema": 1, "source": "x", "stages": json.loads(json.dumps(metrics))}
    assert support.complaints("metrics", content) == []


def test_away_is_read_by_the_generators_of_the_tested_dataset():
    frame = rows({"a": 30, "b": 12}, {"b": 0.2})
    names = {"trained_on": "home", "recipe": "tuned"}
    last = [frame.assign(stage="full", tested_on=tested, **names) for tested in ("home", "other")]
    scored = pd.concat([frame.assign(stage="phase1", tested_on="other", score=0.5, **names), *last])
    scored = scored.drop(columns="generator")
    known = {"other": dict(zip(frame["image_id"], frame["generator"])), "home": dict.fromkeys(frame["image_id"], "")}
    table = by_value.away(scored, known, {("home", "tuned", "full"): {"balanced": 0.5}})
    assert table[["tested_on", "generator"]].values.tolist() == [["other", "b"], ["other", "a"]]
    assert by_value.away(scored, {}, {("home", "tuned", "full"): {"balanced": 0.5}}).empty
    assert by_value.away(scored, known, {}).empty
