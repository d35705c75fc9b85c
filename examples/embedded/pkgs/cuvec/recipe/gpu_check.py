"""On a GPU, the example modules of cuvec add one to every element, and NumPy agrees."""

import cuvec.cpython
import cuvec.pybind11
import numpy as np
from cuvec import example_cpython, example_pybind11

values = np.random.default_rng(0).uniform(-1, 1, (384, 512)).astype("float32")
for memory, module in ((cuvec.cpython, example_cpython), (cuvec.pybind11, example_pybind11)):
    source = memory.asarray(values)
    result = np.asarray(memory.asarray(module.increment2d_f(source.cuvec)))
    difference = float(np.abs(result - (values + 1)).max())
    print(f"{module.__name__}: {result.shape[0]} x {result.shape[1]}, largest difference {difference}")
    assert result.shape == values.shape
    assert difference == 0
