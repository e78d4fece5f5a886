"""An audited dataset without notebook 01: its steps, without probe and figures. For tests and benchmarks that train."""

import pandas as pd

from lib.data.audit import audit
from lib.data.source import source, sources
from lib.study.run import Run


def write_audit(run: Run, limit: int | None = None) -> tuple[source.Source, pd.DataFrame]:
    """Audit, split and store the images of a run; returns their source and the image table."""
    source = sources.source_of(run)
    images = audit.audit_files(source, audit.list_files(source, limit), lambda count: None)
    pairs = audit.find_pairs(run, images)
    images = audit.split_images(images, pairs, run.seed)
    unknown = {"roc_auc": {"value": 0.5, "low": 0.5, "high": 0.5}, "warning": "", "before": None}
    run.write_audit(images, pairs, audit.summary(run, source, images, pairs, unknown))
    return source, images
