"""Bounds of rendering: a recipe may not cost more than its own asset."""

SECONDS_PER_RECIPE = 10
"""Wall time that one recipe may take to render in all variants."""

RENDER_MEMORY = 4 << 30
"""Bytes of address space that rendering may take: a recipe can ask the engine for gigabytes of text."""
