"""Where images come from: folders, tables, the manifest, public sets, other detectors' scores."""
