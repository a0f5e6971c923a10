"""Evaluation of edits with lm-eval."""
