"""Checks of the published record, one function a check."""
