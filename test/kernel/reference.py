"""What numpy.linalg and training step by step have to say of the kernels that python.test.ts writes, in float64.

    python reference.py cases.npz references.npz

Reads, for each case `name`: `name:jacobian` [N, C, P] and `name:test_jacobian` [M, C, P] of a linear model
f(theta) = f_0 + J theta, `name:f0`, `name:y` [N, C], `name:test_f0`, `name:test_y` [M, C], `name:flow_times`,
`name:descent_times`, `name:rate` and `name:regularizer`. Kernels are computed here from the Jacobians. For `trace` the model has C outputs that share the
features of the mean kernel, one after the other: its Jacobian is that of the mean times the identity of outputs.
"""

import sys

import numpy as np


def flat(jacobian):
    return jacobian.reshape(-1, jacobian.shape[-1])


def features(jacobian, form):
    """Of a linear model whose kernel is J Jᵀ, [N C, P']: for trace, K = mean ⊗ I."""
    if form == "full":
        return flat(jacobian)
    n, c, p = jacobian.shape
    root = jacobian.reshape(n, c * p) / np.sqrt(c)
    return np.kron(root, np.eye(c))


def descend(j, j_test, f0, f0_test, y, rate, steps):
    """Gradient descent on 1/2 mean (f - y)², on the parameters themselves."""
    theta = np.zeros(j.shape[1])
    for _ in range(int(steps)):
        theta -= rate * j.T @ (f0 + j @ theta - y) / y.size
    return f0 + j @ theta, f0_test + j_test @ theta


def flow(j, j_test, f0, f0_test, y, rate, time):
    """Gradient flow, by steps of the classical Runge-Kutta method: the equation is stiff only up to rate l / n."""
    largest = np.linalg.norm(j, 2) ** 2 * rate / y.size
    steps = max(1, int(np.ceil(time * largest * 50)))
    h = time / steps
    velocity = lambda theta: -rate * j.T @ (f0 + j @ theta - y) / y.size
    theta = np.zeros(j.shape[1])
    for _ in range(steps):
        a = velocity(theta)
        b = velocity(theta + h / 2 * a)
        c = velocity(theta + h / 2 * b)
        d = velocity(theta + h * c)
        theta += h / 6 * (a + 2 * b + 2 * c + d)
    return f0 + j @ theta, f0_test + j_test @ theta


def converged(j, j_test, f0, f0_test, y):
    """Where both end: the least-squares solution that is nearest to the initial parameters."""
    theta = np.linalg.lstsq(j, y - f0, rcond=None)[0]
    return f0 + j @ theta, f0_test + j_test @ theta


def ridge(j, j_test, f0, f0_test, y, regularizer):
    """In the space of parameters: argmin |f0 + J theta - y|² + regularizer |theta|²."""
    theta = np.linalg.solve(j.T @ j + regularizer * np.eye(j.shape[1]), j.T @ (y - f0))
    return f0 + j @ theta, f0_test + j_test @ theta


def spectrum(kernel):
    values = np.linalg.eigvalsh(kernel)[::-1]
    rank = np.linalg.matrix_rank(kernel, hermitian=True)
    p = values[:rank] / values[:rank].sum()
    return {
        "eigenvalues": values,
        "scalars": np.array(
            [np.trace(kernel), rank, values[0] / values[rank - 1], np.exp(-(p * np.log(p)).sum()), p.sum() ** 2 / (p**2).sum()]
        ),
    }


def alignments(kernel, y):
    cosine = lambda a, b: (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)
    h = np.eye(len(y)) - 1 / len(y)
    target = y @ y.T
    return np.array([cosine(kernel, target), cosine(h @ kernel @ h, h @ target @ h)])


def references(case):
    jacobian = case["jacobian"]
    n, c, p = jacobian.shape
    trace = np.einsum("ncp,mcp->nm", jacobian, jacobian)
    results = {"alignments": alignments(trace, case["y"])}
    for form in ("full", "trace"):
        j, j_test = features(jacobian, form), features(case["test_jacobian"], form)
        outputs = [case[name].ravel() for name in ("f0", "test_f0", "y")]
        matrix = flat(jacobian) @ flat(jacobian).T if form == "full" else trace
        results |= {f"{form}:{key}": value for key, value in spectrum(matrix).items()}
        rate = float(case["rate"])
        for training, run in (("flow", flow), ("descent", descend)):
            times = case[f"{training}_times"]
            runs = [run(j, j_test, *outputs, rate, t) if np.isfinite(t) else converged(j, j_test, *outputs) for t in times]
            for position, (name, target) in enumerate((("train", "y"), ("test", "test_y"))):
                predicted = np.array([run[position].reshape(-1, c) for run in runs])
                results[f"{form}:{training}:{name}"] = predicted
                results[f"{form}:{training}:{name}_loss"] = ((predicted - case[target]) ** 2).mean((1, 2)) / 2
        for name, predicted in zip(("train", "test"), ridge(j, j_test, *outputs, float(case["regularizer"]))):
            results[f"{form}:ridge:{name}"] = predicted.reshape(-1, c)
        # Divergence starts here: the largest eigenvalue of the Hessian of the loss in parameters is 2 / rate
        results[f"{form}:largest_rate"] = np.array(2 / np.linalg.eigvalsh(j.T @ j / (n * c))[-1])
    return results


source, target = sys.argv[1:]
cases = {}
for key, value in np.load(source).items():
    name, _, array = key.partition(":")
    cases.setdefault(name, {})[array] = value
np.savez(target, **{f"{name}:{key}": value for name, case in cases.items() for key, value in references(case).items()})
