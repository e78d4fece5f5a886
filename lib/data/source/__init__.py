"""Sources of images: folders, tables, the manifest, public sets; and other detectors' scores."""
