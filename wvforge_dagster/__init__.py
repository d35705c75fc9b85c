"""wvforge: a folder of rattler-build recipes becomes a Dagster code location."""

__version__ = "0.1.0"
