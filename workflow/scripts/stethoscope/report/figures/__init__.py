"""The paper's figures as SVG."""
