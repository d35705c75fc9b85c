"""Bounds of rendering: a recipe may not cost more than its own asset."""

SECONDS_PER_RECIPE = 6
"""Wall time that one recipe may take to render in all variants."""

RENDER_MEMORY = 4 << 30
"""Bytes of address space that rendering may take: a recipe can ask the engine for gigabytes of text."""

MOST_VARIANTS = 1000
"""Variants that one recipe may render to."""

FEWER_VARIANTS = "zip keys that go together (zip_keys), or narrow them in a variants.yaml beside the recipe"
"""What to do about a recipe with more."""
