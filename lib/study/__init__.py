"""The names that notebooks import: `study.open_run` and the functions beside it."""

from lib.study.across import (
    all_thresholds,
    generators,
    home_scores,
    sizes_of_one_kind,
    sources_line,
    with_warnings,
)
from lib.study.files import (
    PROJECT,
    cache_folder,
    check_writable,
    device,
    file_hash,
    home,
    read_cached_table,
    text_hash,
    write_json,
    write_table,
    write_text,
    written_whole,
)
from lib.study.names import DATASETS, LABELS, NOT_OMNIGEN, SPLITS, STAGES, UserError, as_int
from lib.study.options import GROUPINGS, Reading, base_name, costs_of, group_columns, run_name
from lib.study.recipes import CHOICES, FRESH, QUICK_IMAGES, QUICK_WORDS, RECIPES, Phase, Recipe
from lib.study.results import (
    audited_folders,
    compared_files,
    comparison_files,
    executed_notebooks,
    is_quick,
    read_comparison,
    save_figure,
    saved_figures,
    write_comparison,
)
from lib.study.run import RARE_OPTIONS, Run, audited_runs, begun_runs, finished_runs, left_out, open_run
from lib.study.steps import (
    COMPARED,
    DETECTOR_FILES,
    EXPERIMENT_COLUMNS,
    EXPERIMENTS,
    GENERATE,
    IMAGE_COLUMNS,
    PAIR_COLUMNS,
    QUICK_FOLDER,
    SCORE_COLUMNS,
    STEPS,
    Step,
    notebook_page,
    report_page,
)
