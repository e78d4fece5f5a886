"""What notebooks say under their figures: sentences made of the numbers of this very run, so that they are true of any data.

Each notebook imports one module as `words`: `data` (notebooks 00 and 01), `training` (02 and 03), `thresholds` (04),
`comparison` (05), `robustness` (06), `experiments` (07 to 09) or `evidence` (10). What several of them need is in `shared`.

Every function is pure: numbers and frames in, Markdown out. What begins with `SEEN` concludes; it does not repeat a table.
"""
