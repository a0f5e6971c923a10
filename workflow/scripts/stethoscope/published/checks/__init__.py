"""Checks of the published record, one function a check; the sentences are in config/published/."""
