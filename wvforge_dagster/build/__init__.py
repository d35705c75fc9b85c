"""Rendering, building and testing through rattler-build, always in child processes."""
