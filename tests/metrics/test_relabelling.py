"""Differences of classes against relabelling by group: silent where there is none, found where there is one."""

import numpy as np

from lib.metrics import relabelling


def people(seed, count=40, each=4, places=30, shift=0.0):
    """Images of people of one class each: what a person looks like weighs more than what an image adds."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), each)
    labels = groups % 2
    # Neighbouring places are alike, as in pictures.
    faces = np.cumsum(random.normal(size=(count, places)), axis=1)[groups]
    values = faces + 0.3 * random.normal(size=(groups.size, places))
    values[:, :3] += shift * labels[:, None]
    return values, labels, groups


def test_classes_of_one_pipeline_are_not_told_apart():
    alarms = {"by group": 0, "by image": 0}
    for seed in range(100):
        values, labels, groups = people(seed)
        alarms["by group"] += relabelling.difference(values, labels, groups, 200).beyond.any()
        alarms["by image"] += relabelling.difference(values, labels, None, 200).beyond.any()
    # 5 are expected; 12 or more come about once in 200 times. Images dealt one by one raise the alarm that must not be.
    assert alarms["by group"] < 12 < 40 < alarms["by image"]


def test_a_difference_is_found_where_it_is():
    found = relabelling.difference(*people(1, shift=4.0))
    assert found.beyond[:3].all() and not found.beyond[10:].any()
    values, labels, _ = people(1, shift=4.0)
    assert np.allclose(found.value, values[labels == 1].mean(axis=0) - values[labels == 0].mean(axis=0), atol=1e-5)
    assert found.sentence("Mean", "grey levels").startswith("Mean: 1")


def test_groups_of_both_classes_are_compared_within():
    """A photograph and what was made of it: pictures differ much, the two of a pair only by 0.5 at two places."""
    random = np.random.default_rng(0)
    scene = 20 * random.normal(size=(60, 1, 5, 4))
    values = (scene + random.normal(size=(60, 2, 5, 4))).reshape(120, 5, 4)
    labels, groups = np.tile([0, 1], 60), np.repeat(np.arange(60), 2)
    values[labels == 1, 2, :2] += 0.9
    found = relabelling.difference(values, labels, groups)
    assert found.value.shape == (5, 4) and found.beyond[2, :2].all() and found.beyond.sum() == 2
    assert not relabelling.difference(values, labels, None).beyond.any()


def test_too_few_groups_can_say_nothing():
    values = np.array([[0.0], [0.1], [9.0], [9.1]])
    found = relabelling.difference(values, [0, 0, 1, 1], ["a", "b", "c", "d"])
    assert not found.beyond.any() and "no difference beyond" in found.sentence("Mean", "grey levels")


def test_images_without_values_are_left_out_and_one_class_is_no_comparison():
    values, labels, groups = people(2)
    more = np.vstack([values, np.full((1, values.shape[1]), np.nan)])
    found = relabelling.difference(more, np.append(labels, 1), np.append(groups, 99))
    assert np.allclose(found.value, relabelling.difference(values, labels, groups).value)
    assert relabelling.difference(values[labels == 0], labels[labels == 0]) is None
    same = relabelling.difference(np.ones((8, 3)), np.arange(8) % 2)
    assert not same.beyond.any() and not same.limit.any()
