"""Maths problems: records, MATH's files, and the synthetic corpus."""
