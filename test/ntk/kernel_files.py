"""Kernels from float64 Jacobians, as files: what the references in PyTorch and JAX have in common. Only NumPy.

Reads arrays `net:parameter`, `net!parameter` (frozen, or a buffer), `net<input` (the first set of examples) and `net>input`
(the second). Writes the kernel of the first set with the second as `net:columns:form`, with itself as `net:rows:form`,
where the form is full [N1, N2, C, C], diagonal [N1, N2, C], sum or mean [N1, N2]: the trace, as a sum or a mean.
"""

import numpy as np


def write_kernels(nets, jacobians, source, target):
    """`jacobians(f, parameters, fixed, inputs)` are arrays [N, ...output, ...parameter], by the parameter's name."""
    arrays = dict(np.load(source))
    arrays = {name: array.astype(float if array.dtype.kind == "f" else int) for name, array in arrays.items()}
    results = {}
    for f in nets:
        net = f.__name__
        of = lambda mark: {name[len(net) + 1 :]: array for name, array in arrays.items() if name.startswith(net + mark)}
        parameters, fixed = of(":"), of("!")
        # Both sets at once: JAX compiles its programs for a number of examples
        first, second = of("<"), of(">")
        count = len(next(iter(first.values())))
        blocks = jacobians(f, parameters, fixed, [np.concatenate((first[key], second[key])) for key in first])
        for name, others in (("columns", slice(count, None)), ("rows", slice(count))):
            full = sum(
                contraction(block[:count], block[others], parameters[key].ndim) for key, block in blocks.items()
            )
            diagonal = np.einsum("nmoo->nmo", full)
            forms = {"full": full, "diagonal": diagonal, "sum": diagonal.sum(2), "mean": diagonal.mean(2)}
            results.update({f"{net}:{name}:{form}": np.ascontiguousarray(kernel) for form, kernel in forms.items()})
    np.savez(target, **results)


def contraction(first, second, rank):
    """The product of two Jacobians over a parameter of so many axes: [N1, N2, C, C]."""
    elements = int(np.prod(first.shape[first.ndim - rank :]))
    first, second = (each.reshape(len(each), -1, elements) for each in (first, second))
    return np.einsum("nok,mpk->nmop", first, second, optimize=True)
