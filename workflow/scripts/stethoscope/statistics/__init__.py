"""Tests, intervals and summaries of what the evaluations measured."""
