"""The report: one value, published as JSON, and the pages that are made of it. Knows neither Dagster nor a forge on disk."""
