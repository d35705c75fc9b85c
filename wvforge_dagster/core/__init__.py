"""What is true of recipes, variants, graphs, digests and states. Pure: no Dagster, no network, no processes."""
