"""The study: one YAML file that says everything which can change a number."""
