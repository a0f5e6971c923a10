"""Estimates of a study's cost before it runs."""
