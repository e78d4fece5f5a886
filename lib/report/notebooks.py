"""Executed notebooks as HTML beside them: no script, nothing from the network, whatever an output holds."""

from __future__ import annotations

import ast
import functools
import re
from importlib import metadata
from pathlib import Path

from lib import study
from lib.report.page import FOLDER, environment
from lib.study.names import UserError

# In an output's place where only a running notebook has something to show.
PANEL = "application/vnd.jupyter.widget-view+json"
PANEL_WORDS = "(an interactive panel: open the notebook itself to use it)"
# What notebooks write; nothing that runs, loads or covers the page. Everything else loses its tags and keeps its text.
# fmt: off
TAGS = (
    "a", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i",
    "li", "ol", "p", "pre", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
)
# fmt: on
_CELL = ["colspan", "rowspan", "scope", "align"]
# A cell's code as the template gives it: no `</pre>` is inside, because code is escaped.
_CODE = re.compile(r'<div class="input_area">\n(<div class="highlight.*?</pre></div>)\n</div>', re.S)
# A cell with this tag is about its code, which is not folded.
_OPEN = re.compile(r'(celltag_open-code[^>]*>\s*<div class="input">.*?<details class="code")', re.S)
# The cleaner closes what one piece of a text opens and another one ends, so folded answers go through it as marked paragraphs.
_FOLD, _FOLD_MARK = re.compile(r"<details><summary>([^<\n]*)</summary>"), re.compile("<p>\ue000(.*?)\ue001</p>")
_END, _END_MARK = "</details>", "<p>\ue002</p>"
ATTRIBUTES = {"*": ["class"], "a": ["href"], "ol": ["start"], "td": _CELL, "th": _CELL}


def write_pages(results: Path) -> list[Path]:
    """Write the HTML of every executed notebook of a results folder that has none of its present content.

    Returns:
        The pages written.
    """
    return [page for path in study.executed_notebooks(results) if (page := _write_page(path, results))]


def _write_page(path: Path, results: Path) -> Path | None:
    target = study.notebook_page(path)
    # Made anew also when what makes it has changed.
    made_from = study.text_hash(study.file_hash(path), _maker())
    mark = f'<meta name="made-from" content="{made_from}">'
    if target.is_file():
        with target.open(encoding="utf-8") as file:
            if mark in file.read(1000):
                return None
    # Not above: seconds of imports that an unchanged notebook does not need.
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        raise UserError(f"{path}: no whole notebook ({_line(error)}); run its dataset again") from None
    try:
        body, colours, title = _converted(notebook)
    except Exception as error:
        # Whatever is wrong with the templates or settings of nbconvert here, the notebook is as it should be.
        raise UserError(
            f"{path.name}: nbconvert cannot make a page of it ({_line(error)}); the notebook is whole, nbconvert or its "
            "template is not: python -m pip install --force-reinstall nbconvert, and look for a template of the name basic "
            "and a file jupyter_nbconvert_config below the folders that `jupyter --paths` names"
        ) from None
    index = Path(*[".."] * (len(path.relative_to(results).parts) - 1)) / study.report_page(results).name
    page = environment().get_template("notebook.html.j2")
    values = {"mark": mark, "title": title or path.stem, "body": body, "colours": colours}
    study.write_text(target, page.render(**values, notebook=path.name, index=index.as_posix()))
    return target


@functools.cache
def _maker() -> str:
    """Changes with what makes the pages: code, template and style here, and nbconvert."""
    files = sorted(path for path in FOLDER.iterdir() if path.is_file())
    return study.text_hash([study.file_hash(path) for path in files], metadata.version("nbconvert"))


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _converted(notebook) -> tuple[str, str, str]:
    """The notebook's cells as sanitised HTML, the style of its code, and its title."""
    from nbconvert.exporters import HTMLExporter
    from nbconvert.preprocessors.sanitize import SanitizeHTML
    from pygments.formatters import HtmlFormatter

    title = _prepare(notebook)
    exporter = HTMLExporter(template_name="basic", sanitize_html=True, embed_images=True, exclude_anchor_links=True)
    # Its own filter of this name knows no paragraphs and headings.
    cleaner = SanitizeHTML(tags=list(TAGS), attributes=ATTRIBUTES, strip=True)
    exporter.register_filter("clean_html", cleaner.sanitize_html_tags)
    # A notebook from elsewhere may bring state of its panels, which is of no use without a kernel.
    notebook.metadata.pop("widgets", None)
    body, _ = exporter.from_notebook_node(notebook)
    body = _FOLD_MARK.sub(r"<details><summary>\1</summary>", body).replace(_END_MARK, _END)
    # Folded: a reader looks at figures and sentences first. It opens without a script.
    body = _CODE.sub(r'<details class="code"><summary>Code</summary><div class="input_area">\1</div></details>', body)
    body = _OPEN.sub(r"\1 open", body)
    light = HtmlFormatter(style="xcode", nobackground=True).get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark", nobackground=True).get_style_defs(".highlight")
    return body, f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}", title


def _show_changed_parameters(notebook) -> None:
    """Puts the parameters that were changed in the place of the two cells that papermill makes of them."""
    from nbformat import v4

    tagged = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    if "parameters" not in tagged:
        return
    given = tagged.get("injected-parameters")
    usual, found = (_assigned(cell.source if cell else "") for cell in (tagged["parameters"], given))
    lines = [f"{name} = {value!r}" for name, value in found.items() if name not in usual or usual[name] != value]
    words = "Parameters that were changed:\n\n~~~python\n{}\n~~~".format("\n".join(lines))
    place = notebook.cells.index(tagged["parameters"])
    notebook.cells[place] = v4.new_markdown_cell(words if lines else "Parameters: as the notebook has them.")
    if given:
        notebook.cells.remove(given)


def _assigned(source: str) -> dict[str, object]:
    """Names to the literals that a cell assigns to them; what is no literal, or no Python, is left out."""
    found = {}
    try:
        lines = ast.parse(source).body
    except SyntaxError:
        return found
    for line in lines:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            try:
                found[line.targets[0].id] = ast.literal_eval(line.value)
            except ValueError:
                continue
    return found


def _prepare(notebook) -> str:
    """Gives every picture words, puts words in the place of panels and parameters, and returns the first heading."""
    title = heading = ""
    _show_changed_parameters(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = re.findall(r"^#+\s+(.+)$", cell.source, re.M)
            cell.source = _FOLD.sub("\ue000\\1\ue001", cell.source).replace(_END, "\ue002")
            title, heading = title or (found[0] if found else ""), found[-1] if found else heading
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PANEL in data:
                output["data"] = {"text/plain": PANEL_WORDS}
            if "text/html" in data:
                # pandas puts a style before its tables, which would lose its tags alone.
                data["text/html"] = re.sub(r"<style\b.*?</style>", "", "".join(data["text/html"]), flags=re.S | re.I)
            for kind in {"image/png", "image/jpeg"} & set(data):
                size = output.setdefault("metadata", {}).setdefault(kind, {})
                size.setdefault("alt", f"Figure of the part “{heading}”; what it shows is said in the text around it")
    return title
