"""The house: who may import whom, and that the three lists of dependencies say the same."""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from support import PROJECT

from lib import study
from lib.study import code_hash

# Room to the rooms and modules that it may import from, beside itself: arrows go one way (docs/architecture.md draws them).
ALLOWED = {
    "lib/metrics": set(),
    "lib/metrics/figures": {"lib.metrics"},
    "lib/metrics/words": {"lib.metrics"},
    "lib/study": set(),
    "lib/show": set(),
    "lib/data": set(),
    "lib/data/images": {"lib.study"},
    "lib/data/source": {"lib.study"},
    "lib/data/audit": {"lib.study", "lib.data.images", "lib.data.source"},
    "lib/data/standin": {"lib.study", "lib.data.source.source"},
    "lib/data/omnigen": {"lib.study", "lib.data"},
    "lib/model": {"lib.study", "lib.data.images", "lib.data.audit.normalise", "lib.show.progress"},
    # Whether an epoch ranks better than by chance is told by the test that also compares detectors.
    "lib/model/training": {
        *("lib.study", "lib.data.images", "lib.data.source", "lib.data.audit", "lib.show.progress"),
        *("lib.model", "lib.metrics.delong", "lib.metrics.checks"),
    },
    # Where a trained detector is put to use, its threshold and calibration are applied by the code that chose them.
    "lib/model/use": {"lib.study", "lib.data", "lib.show.progress", "lib.model", "lib.metrics"},
    "lib/panels": {"lib.study", "lib.data", "lib.show.frontend", "lib.model.use", "lib.metrics"},
    "lib/report": {"lib.study", "lib.metrics"},
}
# Programs, which may import what a person's command needs.
PROGRAMS = {
    "lib/model/scoring.py": {
        "lib.study",
        "lib.data.source.checks",
        "lib.data.images.pictures",
        "lib.model.use",
        "lib.metrics.checks",
    },
    "lib/model/adapt.py": {
        "lib.study",
        "lib.data.audit.new_pictures",
        "lib.data.source.checks",
        "lib.model.use",
        "lib.metrics.checks",
        "lib.metrics.words",
    },
    "run_all.py": {"lib.study", "lib.data.source", "lib.data.omnigen", "lib.show.display", "lib.report"},
}
TENSORFLOW_ROOMS = ("lib/model/", "lib/data/images/batches.py")
GENERATING = {"torch", "torchvision", "diffusers", "transformers", "accelerate", "tokenizers"}
LOCKS = {"requirements.lock": ["test"], "requirements-generate.lock": ["generate"]}


def imported(path):
    return code_hash.imported(ast.parse(path.read_text(encoding="utf-8")))


def files(room):
    """Python files of a room, those of the rooms in it too."""
    place = PROJECT / room
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def name_of(path):
    return path.relative_to(PROJECT).as_posix()


def of_lib(path):
    """Dotted names that a file imports from lib."""
    return [name for name in imported(path) if name.split(".")[0] == "lib"]


def is_below(name, places):
    return any(f"{name}.".startswith(f"{place}.") for place in places)


def test_every_room_has_its_arrows():
    assert {name_of(path.parent) for path in files("lib")} == {*ALLOWED, "lib"}


@pytest.mark.parametrize("place", [*ALLOWED, *PROGRAMS])
def test_imports_stay_within_what_the_design_allows(place):
    own = [place.replace("/", ".")] if place in ALLOWED else []
    found = files(place) if place in PROGRAMS else sorted((PROJECT / place).glob("*.py"))
    assert found
    for path in found:
        if place in PROGRAMS or name_of(path) not in PROGRAMS:
            for name in of_lib(path):
                # A room's name stands for all in it, and for no room inside it.
                inside = {room.replace("/", ".") for room in ALLOWED if room.startswith(f"{place}/")}
                assert is_below(name, [*own, *ALLOWED.get(place, PROGRAMS.get(place))]), f"{path}: {name}"
                assert not is_below(name, inside), f"{path}: {name}"


def test_the_page_of_the_architecture_has_these_arrows():
    """Its table says the same as ALLOWED and PROGRAMS, its diagram the same without `lib/study`."""
    page = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("<!-- arrows -->")[2].partition("<!-- arrows end -->")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    shown = {re.findall("`(.+)`", row[0])[0]: set(re.findall("`(.+?)`", row[-1])) for row in rows}
    assert shown == ALLOWED | PROGRAMS

    diagram = page.partition("```mermaid")[2].partition("```")[0]
    room_of = dict(re.findall(r'(\w+)\["(.+?)"\]', diagram))
    arrows = re.findall(r"(\w+)(?:\[.+?\])? --> (\w+)", diagram)
    # An arrow to a module is drawn to its room.
    inside = {
        (room, max((other for other in ALLOWED if is_below(name, [other.replace("/", ".")])), key=len))
        for room, names in ALLOWED.items()
        for name in names
    }
    assert {(room_of[one], room_of[other]) for one, other in arrows} == {
        arrow for arrow in inside if arrow[1] != "lib/study"
    }


@pytest.mark.parametrize("room", [room for room in ALLOWED if room != "lib/data"])
def test_the_page_of_the_architecture_says_what_each_module_is_for(room):
    page = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.partition(f"### `{room}`\n")[2].partition("\n#")[0]
    named = re.findall(r"^\| `(\w+\.py)` \| \w+", section, re.M)
    # A room's __init__.py is left out where it holds a docstring alone.
    there = [
        path for path in (PROJECT / room).glob("*.py") if len(ast.parse(path.read_text(encoding="utf-8")).body) > 1
    ]
    assert sorted(named) == sorted(path.name for path in there)


def test_there_is_no_circle_of_modules_or_rooms():
    modules, rooms = {}, {}
    for path in files("lib"):
        module = path.relative_to(PROJECT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        used = {code_hash.module_of(name) for name in of_lib(path)} - {module}
        modules[module] = used
        if name_of(path) not in PROGRAMS:
            there = {code_hash.file_of(name).parent for name in used} - {path.parent}
            rooms.setdefault(path.parent, set()).update(there)
    for graph in (modules, rooms):
        assert len([*graphlib.TopologicalSorter(graph).static_order()]) > 10


def test_scoring_does_not_import_the_audit_or_training():
    found = {name_of(path) for path in code_hash.closure("lib.model.scoring")}
    assert "lib/data/images/decode.py" in found
    assert "lib/data/audit/audit.py" not in found and not [name for name in found if "training" in name]


def test_training_does_not_import_what_puts_a_detector_to_use():
    for path in code_hash.closure("lib.model.training.experiments"):
        assert not path.is_relative_to(PROJECT / "lib/model/use"), path


def test_widgets_are_imported_by_panels_alone():
    for path in files("lib"):
        libraries = {name.split(".")[0] for name in imported(path)}
        if path.parent.name != "panels":
            assert "ipywidgets" not in libraries, path
            assert "IPython" not in libraries or path.name in ("frontend.py", "results.py"), path


def test_tensorflow_is_imported_in_its_rooms_only():
    for path in [*files("lib"), PROJECT / "run_all.py"]:
        name = path.relative_to(PROJECT).as_posix()
        if not name.startswith(TENSORFLOW_ROOMS):
            assert not [found for found in imported(path) if found.split(".")[0] in ("tensorflow", "keras")], name


def test_scoring_needs_no_tensorflow():
    """Its import takes seconds and half a gigabyte; a network that was converted once scores without."""
    code = "import sys, lib.model.scoring, lib.model.use.transfer; print({'tensorflow', 'keras'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout == "set()\n"


def test_the_start_of_tensorflow_is_silenced_in_one_place():
    """A module that imports it by itself could be the first one, and its C++ lines would reach the terminal."""
    for path in files("lib"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = [
            name.name if isinstance(node, ast.Import) else node.module
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        ]
        assert not {"tensorflow", "keras"} & {str(name).split(".")[0] for name in own}, path


def test_code_is_written_plainly():
    """No `**{…}` inside the literal of a dictionary or among arguments, and no lambda that is given a name."""
    for path in [*files("lib"), PROJECT / "run_all.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Dict):
                spread = [value for key, value in zip(node.keys, node.values) if key is None]
                assert not [value for value in spread if isinstance(value, (ast.Dict, ast.DictComp))], place
            elif isinstance(node, ast.Call):
                spread = [keyword.value for keyword in node.keywords if keyword.arg is None]
                assert not [value for value in spread if isinstance(value, (ast.Dict, ast.DictComp))], place
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                assert not isinstance(node.value, ast.Lambda), place


def test_the_report_comes_with_all_that_its_page_is_made_of():
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["lib.report"]
    others = [path for path in (PROJECT / "lib/report").iterdir() if path.is_file() and path.suffix != ".py"]
    assert {path.suffix for path in others} >= {".j2", ".css", ".js"}
    assert all(any(path.match(pattern) for pattern in patterns) for path in others)


def test_the_page_on_one_picture_comes_with_its_template():
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    others = [path for path in (PROJECT / "lib/model/use").iterdir() if path.is_file() and path.suffix != ".py"]
    assert [path.name for path in others] == ["case.html.j2"]
    assert all(any(path.match(pattern) for pattern in settings["package-data"]["lib.model.use"]) for path in others)


def test_only_the_study_reads_and_writes_results_for_the_report():
    """The room's own files aside, it opens pictures and nothing else; notebooks are read by nbformat."""
    reading = {"read_csv", "read_text", "read_json", "write_text", "load", "glob", "rglob", "to_csv"}
    for path in files("lib/report"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in reading:
                assert ast.unparse(node.value) in ("study", "(FOLDER / 'script.js')", "FOLDER / 'script.js'"), path


def test_only_the_study_knows_the_names_of_the_results():
    names = {"index.html", "dataset.json", "comparison.csv", "detector.json", "elsewhere.json"}
    for step in (*study.STEPS, *study.EXPERIMENTS.values()):
        names |= {*step.outputs, *step.on_request}
    for path in [*files("lib"), PROJECT / "run_all.py"]:
        if path.parent.name != "study":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                known = isinstance(node, ast.Constant) and node.value in names
                assert not known, f"{path}:{node.lineno}: {node.value}"


def test_what_generates_is_imported_in_its_rooms_only_and_never_before_it_is_needed():
    for path in [*files("lib"), PROJECT / "run_all.py"]:
        if not path.match("lib/data/omnigen/*.py"):
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
