"use strict";
// Tables of images: sorted, filtered and paged. Values are only ever set as text, never as markup.
const PAGE = 50;
const compare = new Intl.Collator("en", { numeric: true }).compare;

// As everywhere else: three decimals, and more next to 0 and 1, where three would say 0 or 1.
const decimals = (value) => {
  const gap = Math.abs(value - Math.round(value));
  return value.toFixed(gap >= 1e-8 && gap < 0.0005 ? Math.ceil(-Math.log10(gap)) : 3);
};

for (const box of document.querySelectorAll("[data-images]")) {
  const { columns, rows } = JSON.parse(box.querySelector("script").textContent);
  const table = box.querySelector("table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const [text, label, split, decision] = ["text", "label", "split", "decision"].map((name) => box.querySelector(`[name=${name}]`));
  const [back, on] = box.querySelectorAll(".pages button");
  const count = box.querySelector("[role=status]");
  const at = (name) => columns.findIndex((column) => column.name === name);
  const called = columns.flatMap((column, index) => (column.name.startsWith("Called") ? [index] : []));
  let sorted = { column: -1, down: false };
  let page = 0;

  const isWrong = (row) => called.some((index) => row[index].endsWith("(wrong)"));
  const decided = {
    "": () => true,
    wrong: isWrong,
    right: (row) => !isWrong(row) && called.some((index) => row[index]),
  };

  const chosen = () => {
    const wanted = text.value.trim().toLowerCase();
    const found = rows.filter(
      (row) =>
        (!label.value || row[at("Label")] === label.value) &&
        (!split.value || row[at("Split")] === split.value) &&
        decided[decision.value](row) &&
        (!wanted || row.some((value) => value !== null && String(value).toLowerCase().includes(wanted))),
    );
    if (sorted.column < 0) return found;
    const { column, down } = sorted;
    const kind = columns[column].kind;
    // Rows without a value come last, whichever way the others go.
    const missing = (value) => value === null || value === "";
    return found.sort((one, two) => {
      const [a, b] = [one[column], two[column]];
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      return (kind === "number" ? a - b : compare(a, b)) * (down ? -1 : 1);
    });
  };

  const draw = () => {
    const found = chosen();
    page = Math.max(0, Math.min(page, Math.ceil(found.length / PAGE) - 1));
    const shown = found.slice(page * PAGE, (page + 1) * PAGE);
    body.replaceChildren(
      ...shown.map((row) => {
        const line = document.createElement("tr");
        row.forEach((value, index) => {
          const cell = line.insertCell();
          cell.textContent = typeof value === "number" ? decimals(value) : value ?? "";
          if (called.includes(index) && cell.textContent.endsWith("(wrong)")) cell.className = "wrong";
        });
        return line;
      }),
    );
    const first = found.length ? page * PAGE + 1 : 0;
    count.textContent = `Rows ${first} to ${page * PAGE + shown.length} of ${found.length} found (${rows.length} in this table)`;
    back.disabled = page === 0;
    on.disabled = (page + 1) * PAGE >= found.length;
  };

  heads.forEach((head, column) =>
    head.querySelector("button").addEventListener("click", () => {
      sorted = { column, down: sorted.column === column && !sorted.down };
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      page = 0;
      draw();
    }),
  );
  for (const control of [text, label, split, decision]) {
    control.addEventListener("input", () => {
      page = 0;
      draw();
    });
  }
  back.addEventListener("click", () => { page -= 1; draw(); });
  on.addEventListener("click", () => { page += 1; draw(); });
  // Thousands of rows are made when somebody looks.
  let drawn = false;
  box.closest("details").addEventListener("toggle", () => {
    if (!drawn) draw();
    drawn = true;
  });
}
