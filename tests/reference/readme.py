"""`python -m tests.reference.readme METRICS_JSON` writes the figures of FFHQ and StyleGAN in README.md, from readme.json."""

import json
import re
import sys
from pathlib import Path

import pandas as pd

from lib.metrics.checks import Interval
from lib.study.files import PROJECT, write_json, write_text
from tests import reference

PAGE, EXPERIMENTS, RECORD = PROJECT / "README.md", PROJECT / "docs/experiments.md", reference.FOLDER / "readme.json"
BETWEEN = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end -->)", re.S)


def record(path: Path) -> dict:
    """What README says of the run that has this metrics.json; it is kept in RECORD."""
    run, split = reference.read_run(path.parent), pd.read_csv(path.parents[1] / "images.csv")["split"]
    final = json.loads(path.read_text(encoding="utf-8"))["stages"]["full"]
    known = {"command": reference.command(run), "window": run["window"], "training": int((split == "train").sum())}
    keys = ("confusion", "recall_real", "recall_synthetic")
    policies = {name: {key: final["policies"][name][key] for key in keys} for name in ("balanced", "fpr_1")}
    return known | {"roc_auc": final["test"]["roc_auc"]} | policies


def page(before: str, known: dict) -> str:
    """README with what `record` found, and of experiments.md the original recipe (row a) and several seeds (of 2,200 images)."""
    rows = EXPERIMENTS.read_text(encoding="utf-8")
    original, seeds = (re.search(rf"^\| {row} \|.*", rows, re.M)[0].split(" | ") for row in ("a", "2,200"))
    say, balanced, strict = Interval.from_dict, known["balanced"], known["fpr_1"]
    errors = balanced["confusion"]
    real, synthetic = errors["true_real"] + errors["false_synthetic"], errors["true_synthetic"] + errors["false_real"]
    said = f"""**Yes, for the one generator that was tested.** After training on {known["training"]:,} images (half FFHQ photographs,
half StyleGAN faces), the test AUC is {say(known["roc_auc"])} (95% interval). At the threshold that validation chose (policy `balanced`):

- of {real} real photographs, **{errors["false_synthetic"]} were wrongly called synthetic** (recall {say(balanced["recall_real"])});
- of {synthetic} synthetic faces, **{errors["false_real"]} were missed** (recall {say(balanced["recall_synthetic"])}).

Where accusing a photograph is the worse error, policy `fpr_1` wrongly accuses {strict["confusion"]["false_synthetic"] or "none"} of {real}
(recall {say(strict["recall_real"])}) and misses {strict["confusion"]["false_real"]} of {synthetic} ({say(strict["recall_synthetic"])}).

The study follows one that reported AUC 0.49 to 0.57 with EfficientNet-B0 on small sets of real and OmniGen images. Its recipe,
run correctly, gives AUC {original[2]} on the images above (at its best-F1 threshold recall {original[3]} of
real and {original[4]} of synthetic images).

**What this does not mean.** It is one GAN, one collection of photographs, and 256-pixel JPEG files. Three seeds, which draw
training and validation images anew, gave AUC {seeds[1]} (mean [least, largest]).
"""
    return BETWEEN.sub(lambda _: said, before)


if __name__ == "__main__":
    write_json(RECORD, record(Path(sys.argv[1]).resolve()))
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), json.loads(RECORD.read_text(encoding="utf-8"))))
