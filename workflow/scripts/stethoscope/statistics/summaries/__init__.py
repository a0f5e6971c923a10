"""Summaries: what the report prints, one module for each part of it."""
