"""The report: numbers with their sources, tables, figures and findings."""
