"""On a GPU, numcu adds, multiplies and divides as NumPy does."""

import cuvec
import numcu
import numpy as np

random = np.random.default_rng(0)
left, right = (random.uniform(1, 2, (1024, 1024)).astype("float32") for _ in range(2))
for name, expected in (("add", np.add), ("mul", np.multiply), ("div", np.divide)):
    result = np.asarray(getattr(numcu, name)(cuvec.asarray(left), cuvec.asarray(right)))
    difference = float(np.abs(result - expected(left, right)).max())
    print(f"{name}: 1024 x 1024, largest difference {difference}")
    # CUDA's division is correctly rounded as well (nvcc without --use_fast_math).
    assert difference == 0
