"""Pages of docs that benchmarks write, a section at a time: one that is not measured again stays as it is."""

from collections.abc import Mapping
from pathlib import Path

from lib import study


def rewrite(page: Path, introduction: str, headings: list[str], written: Mapping[str, str]) -> None:
    """Write the page: the introduction, then a section for each heading, as `written` has it or as the page had it.

    Args:
        headings: of all sections, in their order; one that is neither written now nor on the page is left out.
        written: text of a section by its heading, without the line of the heading.
    """
    before = page.read_text(encoding="utf-8").split("\n## ")[1:] if page.is_file() else []
    texts = {text.split("\n")[0]: text.partition("\n")[2] for text in before} | dict(written)
    parts = [introduction, *(f"## {heading}\n\n{texts[heading].strip()}" for heading in headings if heading in texts)]
    study.write_text(page, "\n\n".join(part.strip() for part in parts) + "\n")
    for heading in headings:
        print(f"{heading}: {'written' if heading in written else 'as it was' if heading in texts else 'not there'}")
    print(f"{page} written")
