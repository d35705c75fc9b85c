"""Tests that run the real parts together: Dagster's commands, its servers, a browser."""
