"""The forge as Dagster sees it. The only part of the project that imports dagster."""
