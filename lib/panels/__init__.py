"""Panels of widgets that a notebook shows to a person."""
