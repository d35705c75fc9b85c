"""Following upstream: where the releases of a recipe's source are listed, which of them is new, and a recipe moved to it."""
