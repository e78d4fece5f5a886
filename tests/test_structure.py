"""The house: who may import whom, and that the three lists of dependencies say the same."""

import ast
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from support import PROJECT

from lib import code_hash

ALLOWED = {
    "lib/metrics": {"lib.metrics"},
    "lib/data": {"lib.data", "lib.study"},
    "lib/model": {
        "lib.model",
        "lib.data",
        "lib.study",
        "lib.code_hash",
        "lib.pretrained",
        "lib.progress",
        "lib.frontend",
    },
    "lib/report": {"lib.report", "lib.study", "lib.metrics"},
    "lib/study.py": {"lib.frontend"},
    "lib/code_hash.py": set(),
    "lib/pretrained.py": {"lib.study"},
    "lib/frontend.py": set(),
    "lib/kernels.py": {"lib.code_hash"},
    "lib/progress.py": {"lib.frontend"},
    "lib/display.py": {"lib.progress"},
    "lib/panels.py": {"lib.study", "lib.frontend", "lib.metrics", "lib.data"},
    "run_all.py": {
        *("lib.study", "lib.code_hash", "lib.pretrained", "lib.display", "lib.kernels"),
        *("lib.data.manifest", "lib.data.sources", "lib.data.listing", "lib.data.download", "lib.data.detectors"),
        *("lib.data.omnigen", "lib.data.omnigen_plan", "lib.report"),
    },
}
# Where a trained detector is put to use, its threshold and calibration are applied by the code that chose them.
USES_DETECTORS = {f"lib/model/{name}.py" for name in ("detector", "scoring", "panel")}
# Whether an epoch ranks better than by chance is told by the test that also compares detectors.
MORE_ALLOWED = {
    **{path: {"lib.metrics"} for path in USES_DETECTORS},
    "lib/model/training.py": {"lib.metrics.delong", "lib.metrics.checks"},
    # Scores are written by the one rule for decimals.
    "lib/model/explanation.py": {"lib.metrics.checks"},
}
TENSORFLOW_ROOMS = ("lib/model/", "lib/data/loading.py")
GENERATING = {"torch", "torchvision", "diffusers", "transformers", "accelerate", "tokenizers"}
LOCKS = {"requirements.lock": ["test"], "requirements-generate.lock": ["generate"]}


def imported(path):
    return code_hash.imported(ast.parse(path.read_text(encoding="utf-8")))


def files(room):
    place = PROJECT / room
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_stay_within_what_the_design_allows(room):
    assert files(room)
    for path in files(room):
        used = ALLOWED[room] | MORE_ALLOWED.get(path.relative_to(PROJECT).as_posix(), set())
        for name in imported(path):
            if name.split(".")[0] == "lib":
                assert any(f"{name}.".startswith(f"{allowed}.") for allowed in used), f"{path}: {name}"


def test_training_does_not_import_what_puts_a_detector_to_use():
    users = {name.removesuffix(".py").replace("/", ".") for name in USES_DETECTORS}
    for path in files("lib"):
        if path.relative_to(PROJECT).as_posix() not in USES_DETECTORS:
            assert users.isdisjoint(found for name in imported(path) for found in (name, name.rpartition(".")[0])), path


def test_widgets_are_imported_by_panels_alone():
    for path in files("lib"):
        if path.name not in ("panel.py", "panels.py", "frontend.py"):
            assert not [name for name in imported(path) if name.split(".")[0] in ("ipywidgets", "IPython")], path


def test_tensorflow_is_imported_in_its_rooms_only():
    for path in [*files("lib"), PROJECT / "run_all.py"]:
        name = path.relative_to(PROJECT).as_posix()
        if not name.startswith(TENSORFLOW_ROOMS):
            assert not [found for found in imported(path) if found.split(".")[0] in ("tensorflow", "keras")], name


def test_the_report_comes_with_all_that_its_page_is_made_of():
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["lib.report"]
    others = [path for path in (PROJECT / "lib/report").iterdir() if path.is_file() and path.suffix != ".py"]
    assert {path.suffix for path in others} >= {".j2", ".css", ".js"}
    assert all(any(path.match(pattern) for pattern in patterns) for path in others)


def test_only_the_study_reads_and_writes_results_for_the_report():
    """The room's own files aside, it opens pictures and nothing else; notebooks are read by nbformat."""
    reading = {"read_csv", "read_text", "read_json", "write_text", "load", "glob", "rglob", "to_csv"}
    for path in files("lib/report"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in reading:
                assert ast.unparse(node.value) in ("study", "(FOLDER / 'script.js')", "FOLDER / 'script.js'"), path


def test_what_generates_is_imported_in_its_rooms_only_and_never_before_it_is_needed():
    for path in [*files("lib"), PROJECT / "run_all.py"]:
        if not path.match("lib/data/omnigen*.py"):
            assert GENERATING.isdisjoint(name.split(".")[0] for name in imported(path)), path
        tree = ast.parse(path.read_text(encoding="utf-8"))
        above = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        names = {name for node in above for name in code_hash.imported(node)}
        assert GENERATING.isdisjoint(name.split(".")[0] for name in names), path


def direct_dependencies(lock="requirements.lock"):
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = [text for name in LOCKS[lock] for text in project["optional-dependencies"][name]]
    return [Requirement(text) for text in project["dependencies"] + extra]


def locked(lock="requirements.lock"):
    text = (PROJECT / lock).read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.M)
    return {(normal(name), version) for name, version in pins}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_every_direct_dependency_within_its_range(lock):
    for requirement in direct_dependencies(lock):
        versions = [version for name, version in locked(lock) if name == normal(requirement.name)]
        assert versions, f"{requirement.name} is not in {lock}"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_both_locks_pin_the_same_versions_and_only_one_has_what_generates():
    main, generate = locked(), locked("requirements-generate.lock")
    shared = {name for name, _ in main} & {name for name, _ in generate}
    assert {pin for pin in main if pin[0] in shared} == {pin for pin in generate if pin[0] in shared}
    assert GENERATING.isdisjoint(name for name, _ in main) and {name for name, _ in generate} >= GENERATING


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_no_addresses(lock):
    text = (PROJECT / lock).read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    pins = re.split(r"\n(?=[A-Za-z])", text.strip())
    assert len(pins) > 100 and all("--hash=sha256:" in pin for pin in pins)


def test_environment_gives_conda_users_the_same_lock():
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    python, pip = environment["dependencies"][0], environment["dependencies"][-1]["pip"]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = Requirement(f"python{project['requires-python']}")
    assert wanted.specifier.contains(python.split("=")[1] + ".0")
    assert pip == ["-r requirements.lock"]


def test_the_hooks_and_the_container_use_what_the_lock_pins():
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert {pin for hook in hooks for pin in hook["additional_dependencies"]} <= {"==".join(pin) for pin in locked()}
    steps = (PROJECT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    base = next(line for line in steps if line.startswith("FROM ")).removeprefix("FROM python:").removesuffix("-slim")
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert Requirement(f"python{project['requires-python']}").specifier.contains(f"{base}.0")
    assert "RUN pip install --no-cache-dir -r requirements.lock" in steps and "USER study" in steps


def test_the_workflow_does_what_ci_run_does():
    workflow = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["tests"]["steps"][-1] == {"run": "bash .ci/run"}
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = Requirement(f"python{project['requires-python']}").specifier
    assert all(wanted.contains(f"{version}.0") for version in workflow["jobs"]["tests"]["strategy"]["matrix"]["python"])


LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in (PROJECT / "docs").glob("*.md"))]
)
def test_links_between_pages_lead_somewhere(page):
    path = PROJECT / page
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{page} links to {target}"


def test_every_direct_dependency_has_its_reason():
    lines = (PROJECT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if re.match(r'    "[A-Za-z]', line) and "include" not in line:
            assert lines[number - 1].lstrip().startswith("#"), line
