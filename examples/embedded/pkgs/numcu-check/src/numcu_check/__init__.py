"""Compare numcu's results with NumPy's, on a GPU where there is one."""

import ctypes
import sys

import cuvec
import numcu
import numpy as np

_OPERATIONS = {"add": np.add, "mul": np.multiply, "div": np.divide}


def count_gpus():
    """Number of GPUs that CUDA can use; 0 without NVIDIA's driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def compare(shape=(64, 64)):
    """Largest difference between numcu's and NumPy's result, by operation. Needs a GPU."""
    random = np.random.default_rng(0)
    left, right = (random.uniform(1, 2, shape).astype("float32") for _ in range(2))
    differences = {}
    for name, expected in _OPERATIONS.items():
        got = getattr(numcu, name)(cuvec.asarray(left), cuvec.asarray(right))
        differences[name] = float(np.abs(np.asarray(got) - expected(left, right)).max())
    return differences


def main():
    """The command ``numcu-check``: exit status 1 if a result differs."""
    print(f"cuvec {cuvec.__version__}, numcu {numcu.__version__}, Python {sys.version.split()[0]}")
    if not count_gpus():
        print("no GPU: the modules load, nothing was computed")
        return 0
    differences = compare()
    for name, difference in differences.items():
        print(f"{name}: largest difference {difference}")
    return int(any(difference > 1e-6 for difference in differences.values()))
