"""Builds a model of a user's Python file, exports it with the user's own PyTorch, and asks that what it would do.

    python torch_program.py FOLDER

Reads FOLDER/request.json and writes FOLDER/model.pt2 and FOLDER/result.json. The request:

    file      the user's file
    export    a name, or a class or factory with Python literals as arguments: `Net(width=16)`
    inputs    [{name, shape, batched, dtype}], shapes of one example
    seconds   how long all of it may take; null for as long as it takes
    probe     the number of examples that memory is predicted for; null for no predictions

The result has `error` {message, source}, or null there and `note` and `pytorch`; and in any case `files`, the user's own files
that were imported. This runs on any Python 3, so that it can say what is too old.
"""

import ast
import contextlib
import functools
import importlib
import importlib.util
import inspect
import io
import json
import logging
import os
import random
import re
import sys
import sysconfig
import threading
import time
import traceback
import warnings
import weakref
from unittest import mock

OLDEST = (2, 4)
SETUP = "install it with pip install torch, or give the Python that has it with --python"


class Refused(Exception):
    """The user's code is at fault: a sentence, and the place (file, line) or None."""

    def __init__(self, message, place=None):
        super().__init__(message)
        self.message = message
        self.place = place


# --- Places in the user's own files


def packages():
    """Folders of Python's own and of installed packages."""
    keys = ("stdlib", "platstdlib", "purelib", "platlib")
    return [os.path.realpath(path) + os.sep for key, path in sysconfig.get_paths().items() if key in keys]


PACKAGES = packages()


@functools.lru_cache(maxsize=None)
def is_users(file):
    if not file or file.startswith("<") or os.path.realpath(file) == os.path.realpath(__file__):
        return False
    path = os.path.realpath(file)
    if re.search(r"[\\/](site|dist)-packages[\\/]", path):
        return False
    return not any(path.startswith(folder) for folder in PACKAGES)


def users_files():
    """Of the modules that were imported."""
    # PyTorch writes modules of its own to where temporary files are
    modules = [module for name, module in list(sys.modules.items()) if not name.startswith("_remote_module_")]
    files = {getattr(module, "__file__", None) for module in modules}
    own = {os.path.abspath(file) for file in files if isinstance(file, str) and file.endswith(".py") and is_users(file)}
    # Some modules of PyTorch's say that they are files which they are not
    return sorted(file for file in own if os.path.exists(file))


def place_of(error):
    """The innermost line of the user's that an exception passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return (frames[-1].filename, frames[-1].lineno) if frames else None


def place_in(text):
    """The last line of the user's in a stack trace that is a text."""
    found = [(file, int(line)) for file, line in re.findall(r'File "([^"\n]+)", line (\d+)', text) if is_users(file)]
    return found[-1] if found else None


def current_place():
    """The innermost line of the user's that runs now."""
    frame = sys._getframe(1)
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return (frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def source_of(place):
    return None if place is None else {"file": os.path.abspath(place[0]), "line": place[1], "column": 1}


def first_line(error):
    """What an exception says, without PyTorch's advice to set its own variables."""
    text = str(error).strip()
    specialised = re.search(r"(?:your code specialized it|was inferred) to be a constant \((\d+)\)", text)
    if specialised:
        return "the code takes it for the constant %s" % specialised.group(1)
    line = re.split(r"[.!]? (?:\(unhinted|For more information)|\n", text)[0].strip()
    return line.rstrip(".") if line else type(error).__name__


def raised(what, error, remedy):
    return Refused("%s raised %s: %s; %s" % (what, type(error).__name__, first_line(error), remedy), place_of(error))


# --- The user's PyTorch, file and model


def import_torch():
    try:
        import torch
    except Exception as error:
        if isinstance(error, ImportError) and error.name == "torch":
            raise Refused("%s has no PyTorch; %s" % (sys.executable, SETUP))
        what = "%s cannot import its PyTorch (%s: %s)" % (sys.executable, type(error).__name__, first_line(error))
        raise Refused("%s; install it anew, or give another Python with --python" % what)
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < OLDEST:
        raise Refused(
            "PyTorch %s of %s is too old to export models from; install %d.%d or later there, "
            "or give another Python with --python" % (torch.__version__, sys.executable, *OLDEST)
        )
    return torch


def import_file(file):
    """Imports the file as it would be in its own project: in its package, if it is in one."""
    folder = os.path.dirname(file)
    top, names = folder, []
    while os.path.exists(os.path.join(top, "__init__.py")):
        top, name = os.path.split(top)
        names.insert(0, name)
    project = folder
    marks = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
    while not any(os.path.exists(os.path.join(project, mark)) for mark in marks):
        parent = os.path.dirname(project)
        if parent == project:
            project = top
            break
        project = parent
    for path in (project, folder, top):
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)
    name = os.path.splitext(os.path.basename(file))[0]
    # A module of this name that is imported already is another one
    full = ".".join(names + [name])
    if full in sys.modules or not name.isidentifier():
        full = "_kernelscope_" + re.sub(r"\W", "_", name)
    try:
        if names:
            importlib.import_module(".".join(names))
            imported = sys.modules.get(full)
            if imported is not None and os.path.realpath(imported.__file__ or "") == os.path.realpath(file):
                return imported
        spec = importlib.util.spec_from_file_location(full, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
        return module
    except SyntaxError as error:
        place = (error.filename, error.lineno or 1) if error.filename else (file, 1)
        what = "this is no Python that %s understands (%s)" % (version_text(), error.msg)
        raise Refused(what + "; correct the line", place)
    except ModuleNotFoundError as error:
        what = "there is no module %s in %s" % (error.name, sys.executable)
        raise Refused(what + "; install it there, or give another Python with --python", place_of(error))
    except SystemExit as error:
        what = "the file ends the process when it is imported"
        raise Refused(what + '; put this behind if __name__ == "__main__"', place_of(error))
    except Exception as error:
        raise raised("importing the file", error, "correct the line, or put it behind if __name__ == '__main__'")


def version_text():
    return "Python %d.%d" % sys.version_info[:2]


def parse_export(text):
    """`a.b` or `a.b(literals)`: the path, and the arguments or None."""
    what = "%s names no model; write a name, or a class or function with literals, such as Net(16, depth=2)"
    bad = Refused(what % text)
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise bad
    args = None
    if isinstance(node, ast.Call):
        try:
            args = [ast.literal_eval(arg) for arg in node.args]
            keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
        except (ValueError, TypeError, SyntaxError):
            what = "the arguments in %s are not all literals; call a function of the file that makes the model"
            raise Refused(what % text)
        if None in keywords:
            raise bad
        args, node = (args, keywords), node.func
    path = []
    while isinstance(node, ast.Attribute):
        path.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise bad
    return [node.id] + path, args


def line_of(value, file):
    try:
        return (inspect.getsourcefile(value) or file, inspect.getsourcelines(value)[1])
    except (OSError, TypeError):
        return (file, 1)


def build(torch, module, file, text):
    path, args = parse_export(text)
    value = module
    for depth, name in enumerate(path):
        if not hasattr(value, name):
            has = ", ".join(key for key, each in vars(module).items() if is_model(torch, module, each)) or "none"
            raise Refused("the file has no %s; its models are %s" % (".".join(path[: depth + 1]), has), (file, 1))
        value = getattr(value, name)
    name = ".".join(path)
    is_made = isinstance(value, torch.nn.Module)
    if args is not None and (is_made or not callable(value)):
        raise Refused("%s is neither a class nor a function; leave out the arguments" % name, (file, 1))
    if not is_made and callable(value):
        given, keywords = args or ([], {})
        try:
            inspect.signature(value).bind(*given, **keywords)
        except TypeError as error:
            what = "%s cannot be called so (%s); write its arguments, as in %s#%s(16, depth=2)"
            raise Refused(what % (name, error, os.path.basename(file), name), line_of(value, file))
        except ValueError:
            # A signature that Python does not know
            pass
        what = "the constructor" if inspect.isclass(value) else name
        place = line_of(value, file)
        try:
            value = value(*given, **keywords)
        except SystemExit as error:
            raise Refused("%s ends the process; take this out" % what, place_of(error))
        except Exception as error:
            raise raised(what, error, "correct the line, or the arguments in #%s" % text)
    else:
        place = None
    if not isinstance(value, torch.nn.Module):
        what = "%s is no torch.nn.Module but %s; name a module, or what makes one"
        raise Refused(what % (text, type(value).__name__), place or (file, 1))
    return value.cpu().eval()


def is_model(torch, module, value):
    if inspect.isclass(value):
        return issubclass(value, torch.nn.Module) and value.__module__ == module.__name__
    return isinstance(value, torch.nn.Module)


# --- Inputs


def inputs_of(model, given):
    """The inputs that are given, in the order of `forward`. Says which are missing."""
    place = line_of(type(model).forward, None) if is_users(inspect.getsourcefile(type(model)) or "") else None
    parameters = inspect.signature(model.forward).parameters
    known = [name for name, each in parameters.items() if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    names = [each["name"] for each in given]
    unknown = [name for name in names if name not in known]
    if unknown:
        what = "the model has no input %s: forward takes %s; correct --input"
        raise Refused(what % (unknown[0], ", ".join(known) or "none"), place)
    missing = [name for name in known if parameters[name].default is inspect.Parameter.empty and name not in names]
    if missing:
        wanted = " ".join("--input %s=N,SHAPE" % name for name in missing)
        what = "the shape of %s is not known; add %s, such as %s=N,3,32,32 (N is the batch axis)"
        raise Refused(what % (" and ".join(missing), wanted, missing[0]), place)
    return sorted(given, key=lambda each: known.index(each["name"]))


def examples(torch, inputs, count, fill):
    dtypes = {None: torch.float32, "float32": torch.float32, "int32": torch.int64, "bool": torch.bool}
    shape = lambda each: ([count] if each["batched"] else []) + each["shape"]
    return {each["name"]: fill(shape(each), dtypes[each["dtype"]]) for each in inputs}


def random_or_zero(torch):
    """Indices are 0: they are in range wherever they point."""
    return lambda shape, dtype: torch.randn(shape) if dtype.is_floating_point else torch.zeros(shape, dtype=dtype)


@contextlib.contextmanager
def quiet():
    """What PyTorch says and prints of what it is asked here is no news to the user, who gets it as one sentence."""
    logging.disable(logging.CRITICAL)
    try:
        nowhere = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


# --- Exporting


def export(torch, model, inputs, file):
    """Writes the model as an archive. Gives a note where the number of examples could not be left open."""
    is_batched = any(each["batched"] for each in inputs)
    two = examples(torch, inputs, 2, random_or_zero(torch))
    try:
        with torch.no_grad():
            model(**two)
    except Exception as error:
        shapes = " and ".join("%s of shape %s" % (name, list(tensor.shape)) for name, tensor in two.items())
        raise raised("forward, with %s," % shapes, error, "correct the line, or --input")
    # Before 2.6 an open extent has to have a name
    extent = getattr(torch.export.Dim, "DYNAMIC", None) or torch.export.Dim("examples")
    dynamic = {each["name"]: {0: extent} if each["batched"] else None for each in inputs}
    try:
        program = exported(torch, model, two, dynamic if is_batched else None)
        note = None
    except Exception as error:
        place = export_place(error)
        if not is_batched or is_data_dependent(error):
            raise not_exported(error, place)
        try:
            program = exported(torch, model, examples(torch, inputs, 1, random_or_zero(torch)), None)
        except Exception as again:
            raise not_exported(again, export_place(again))
        where = "" if place is None else " at %s:%d" % (os.path.basename(place[0]), place[1])
        note = (
            "the model was exported for one example, since torch.export could not leave the number of examples open"
            "%s (%s): examples are taken to be independent" % (where, first_line(error))
        )
    with quiet():
        torch.export.save(program, file)
    return note


class Weights(list):
    """Of a recurrent layer: PyTorch 2.6 takes a plain list of them for something that the code assigns."""


def exported(torch, model, kwargs, dynamic):
    if isinstance(model, torch.nn.RNNBase):
        model._flat_weights = Weights(model._flat_weights)
    with quiet(), own_frames(torch), lstm_states(torch):
        return torch.export.export(model, (), kwargs, dynamic_shapes=dynamic, strict=False)


def own_frames(torch):
    """Has the export keep the lines of the user's functions that `forward` calls; by itself it keeps `forward`'s."""
    from torch.fx.experimental import proxy_tensor
    from torch.utils._traceback import CapturedTraceback

    def kept(summary):
        # Of the exporter itself, some functions have the name too
        inner = re.compile(r"[\\/]torch[\\/](fx|export)[\\/]")
        frames = [frame for frame in summary if is_users(frame.filename) or not inner.search(frame.filename)]
        first = next((index for index, frame in enumerate(frames) if frame.name == "forward"), len(frames))
        return traceback.StackSummary.from_list(
            [frame for frame in frames[first:] if frame.name == "forward" or is_users(frame.filename)]
        )

    def create_node(self, *args, **kwargs):
        node = original(self, *args, **kwargs)
        frames = kept(CapturedTraceback.extract().summary() or [])
        if frames:
            node.meta["stack_trace"] = "".join(frames.format()).strip()
        return node

    # It is PyTorch's own, and may be another way in a later version: lines are then those of `forward`
    if hasattr(torch.fx.proxy.TracerBase, "_filter_traceback_frames"):
        return mock.patch.object(torch.fx.proxy.TracerBase, "_filter_traceback_frames", lambda self, summary: kept(summary))
    # Of PyTorch 2.6
    if hasattr(proxy_tensor, "_ModuleStackTracer"):
        original = proxy_tensor._ModuleStackTracer.create_node
        return mock.patch.object(proxy_tensor._ModuleStackTracer, "create_node", create_node)
    return contextlib.nullcontext()


def lstm_states(torch):
    """Has the last states of an LSTM the axes that they have: PyTorch 2.6 exports them with one too many."""
    from torch._decomp import decompositions

    def one_layer_lstm(*args, **kwargs):
        outputs, states = original(*args, **kwargs)
        return outputs, tuple(state.squeeze(0) if state.dim() == 3 else state for state in states)

    original = getattr(decompositions, "one_layer_lstm", None)
    if original is None:
        return contextlib.nullcontext()
    return mock.patch.object(decompositions, "one_layer_lstm", one_layer_lstm)


def export_place(error):
    return place_in(str(error)) or place_of(error)


def is_data_dependent(error):
    return "DataDependent" in type(error).__name__ or "data-dependent" in str(error)


def not_exported(error, place):
    if is_data_dependent(error):
        return Refused(
            "what runs here depends on the values of tensors (%s), which torch.export cannot follow; use torch.where, "
            "or decide it without tensors" % first_line(error),
            place,
        )
    what = "torch.export cannot export the model (%s: %s); change the line"
    return Refused(what % (type(error).__name__, first_line(error)), place)


# --- What the user's PyTorch would do: asked with fake tensors, so that nothing of the model's size is computed

# Examples and cotangents that operations are counted for: whatever runs as a loop is run more often for more of them
SIZES = {"vmap(jacrev)": ((2, 3), (3, 3), (2, 2), (3, 2)), "jacrev": ((2, 3), (2, 2))}
# What a loop takes its slices with, and puts them together
SLICING = {
    "aten::select.int",
    "aten::stack",
    "aten::unsqueeze",
    "aten::expand",
    "aten::view",
    "aten::alias",
    "aten::detach",
}
# In seconds of this process, for each strategy's memory; one that takes longer is left out
PATIENCE = 5
# Parameters of more bytes are not copied to confirm an error
MOST_CONFIRMED = 1 << 30
NO_RULE = re.compile(r"batching rule for (aten::\w+(?:\.\w+)?|\w+::\w+(?:\.\w+)?)\.")


class OutOfTime(Exception):
    pass


class Functional:
    """The model as a function of its trained parameters, on fake or real tensors."""

    def __init__(self, torch, model, inputs, tensor):
        self.torch, self.model, self.inputs = torch, model, inputs
        parameters = dict(model.named_parameters())
        fixed = {name: value for name, value in parameters.items() if not value.requires_grad}
        fixed.update(model.named_buffers())
        self.trained = {name: tensor(value.detach()) for name, value in parameters.items() if name not in fixed}
        self.fixed = {name: tensor(value.detach()) for name, value in fixed.items()}
        self.axes = {each["name"]: 0 if each["batched"] else None for each in inputs}

    def __call__(self, trained, x):
        result = self.torch.func.functional_call(self.model, {**trained, **self.fixed}, (), x)
        leaves = self.torch.utils._pytree.tree_leaves(result)
        return tuple(leaf for leaf in leaves if isinstance(leaf, self.torch.Tensor) and leaf.is_floating_point())

    def one(self, trained, x):
        """Of one example, as vmap gives it."""
        batch = {name: value if self.axes[name] is None else value.unsqueeze(0) for name, value in x.items()}
        return self(trained, batch)

    def pull(self, f, rows):
        """Products of `rows` cotangents with the Jacobian of f, as jacrev has them, whatever they are."""
        outputs, pull = self.torch.func.vjp(f, self.trained)
        basis = tuple(output.new_zeros((rows, *output.shape)) for output in outputs)
        return self.torch.func.vmap(pull)(basis)

    def vmap_jacrev(self, x, rows):
        each = lambda x: self.pull(lambda trained: self.one(trained, x), rows)
        return self.torch.func.vmap(each, in_dims=(self.axes,))(x)

    def jacrev(self, x, rows):
        return self.pull(lambda trained: self(trained, x), rows)


def modes(torch):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Operations(TorchDispatchMode):
        """Counts operations by the user's line: that of the forward operation, for those of backward."""

        def __init__(self):
            super().__init__()
            self.counts = {}

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            node = torch._C._current_autograd_node()
            schema = getattr(function, "_schema", None)
            if schema is not None:
                place = current_place() if node is None else place_in("".join(node.metadata.get("traceback_", [])))
                overload = "." + schema.overload_name if schema.overload_name else ""
                key = (schema.name + overload, "forward" if node is None else "backward", place)
                self.counts[key] = self.counts.get(key, 0) + 1
            return function(*args, **(kwargs or {}))

    class Storages(TorchDispatchMode):
        """Sums the storages that are alive, each rounded up to 512 bytes as the allocator does."""

        def __init__(self, deadline):
            super().__init__()
            self.deadline, self.known, self.live, self.peak = deadline, set(), 0, 0

        def track(self, tensor):
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in self.known:
                return
            size = -(-storage.nbytes() // 512) * 512
            self.known.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self.release, key, size)

        def release(self, key, size):
            self.known.discard(key)
            self.live -= size

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if time.process_time() > self.deadline:
                raise OutOfTime()
            result = function(*args, **(kwargs or {}))
            for leaf in torch.utils._pytree.tree_leaves(result):
                if isinstance(leaf, torch.Tensor):
                    self.track(leaf)
            return result

    return Operations, Storages


class Probe:
    def __init__(self, torch, model, inputs, examples_count, found):
        from torch._subclasses.fake_tensor import FakeTensorMode

        self.torch, self.model, self.inputs, self.count, self.found = torch, model, inputs, examples_count, found
        self.new_fake = lambda: FakeTensorMode(allow_non_fake_inputs=True)
        self.Operations, self.Storages = modes(torch)
        self.is_batched = any(each["batched"] for each in inputs)
        self.rules = set()
        for key in ("FuncTorchBatched", "FuncTorchBatchedDecomposition"):
            self.rules.update(torch._C._dispatch_get_registrations_for_dispatch_key(key))

    def run(self):
        strategies = ["vmap(jacrev)", "jacrev"] if self.is_batched else ["jacrev"]
        failed, fallbacks = {}, {}
        for strategy in strategies:
            first = self.traced(strategy, SIZES[strategy][0])
            failed[strategy] = self.error_of(strategy, first)
            if failed[strategy] is None:
                fallbacks[strategy] = self.fallbacks_of(strategy, first)
        for strategy, found in fallbacks.items():
            for fallback in found:
                fallback["fix"] = self.fix_of_fallback(fallback, fallbacks, failed)
            self.found["fallbacks"] += found
        for strategy, error in failed.items():
            if error is not None:
                self.tell(error, strategy, False, failed)
        if failed.get("vmap(jacrev)", 0) is None:
            self.errors_in_training(failed)
        for strategy in strategies:
            if failed[strategy] is None:
                self.peaks_of(strategy)
        self.peaks_of("grad-loop")

    # Operations

    def traced(self, strategy, sizes):
        """Runs a strategy with so many examples and cotangents: counts of operations, warnings, the error or None."""
        count, rows = sizes
        with warnings.catch_warnings(record=True) as said, self.new_fake() as fake:
            warnings.simplefilter("always")
            f = Functional(self.torch, self.model, self.inputs, fake.from_tensor)
            x = examples(self.torch, self.inputs, count, self.zeros)
            operations = self.Operations()
            error = None
            try:
                with self.torch.autograd.detect_anomaly(check_nan=False), operations:
                    f.vmap_jacrev(x, rows) if strategy == "vmap(jacrev)" else f.jacrev(x, rows)
            except Exception as thrown:
                error = thrown
        return operations.counts, [str(each.message) for each in said], error

    def zeros(self, shape, dtype):
        return self.torch.zeros(shape, dtype=dtype)

    def fallbacks_of(self, strategy, first):
        """`first` is what was traced with the first of the sizes."""
        messages = {}
        for message in first[1]:
            named = NO_RULE.search(message)
            if named:
                messages.setdefault(named.group(1), re.split(r" \(Triggered", message)[0].strip())
        if not messages:
            return []
        sizes = SIZES[strategy]
        runs = [first[0]] + [self.traced(strategy, each)[0] for each in sizes[1:]]
        outputs = self.rows(strategy)
        loops = {}
        for key in {key for counts in runs for key in counts}:
            times = self.times_of(strategy, [counts.get(key, 0) for counts in runs], outputs)
            if times is not None:
                loops[key] = times
        found = {key: times[0] for key, times in loops.items() if key[0] in messages and key[0] not in self.rules}
        # An operation that is made of others is seen by these alone: in a loop that no other operation is the reason of
        unseen = [operation for operation in messages if all(key[0] != operation for key in found)]
        places = {key[1:] for key in loops if key[0] not in SLICING} - {key[1:] for key in found}
        for operation in unseen:
            if len(unseen) > 1 or not places:
                found[(operation, "backward" if "backward" in operation else "forward", None)] = None
                continue
            for where, place in places:
                inner = [times for key, times in loops.items() if key[1:] == (where, place) and key[0] not in SLICING]
                # The innermost loop is that over the most slices; of what is run in it, something is run once
                deepest = [times for times, is_deepest in inner if is_deepest] or [times for times, _ in inner]
                found[(operation, where, place)] = min(deepest)
        in_order = sorted(found, key=lambda key: (key[1] != "forward", str(key)))
        return [
            dict(
                operation=key[0],
                where=key[1],
                strategy=strategy,
                iterations=found[key],
                message=messages[key[0]],
                source=source_of(key[2]),
                fix=None,
            )
            for key in in_order
        ]

    def times_of(self, strategy, counts, outputs):
        """
        How often an operation is run for all examples and outputs, by how often it is for few, and whether it is for each
        pair of them or each row of a whole batch; None for no loop.
        """
        if len(set(counts)) == 1:
            return None
        n, rows = self.count, outputs
        if strategy == "jacrev":
            (_, k1), (_, k2) = SIZES[strategy]
            each = (counts[0] - counts[1]) // (k1 - k2)
            return counts[0] + each * (rows - k1), True
        # Counts are p + q n + r k + s n k
        (n1, k1), _, (_, k2), _ = SIZES[strategy]
        a, b, c, d = counts
        s = ((b - a) - (d - c)) // (k1 - k2)
        q = (b - a) - s * k1
        r = (a - c) // (k1 - k2) - s * n1
        return a + q * (n - n1) + r * (rows - k1) + s * (n * rows - n1 * k1), s > 0

    def rows(self, strategy):
        """Elements of outputs: of one example, or for jacrev of all of them together."""
        count = 1 if strategy == "vmap(jacrev)" else self.count
        with self.new_fake() as fake, self.torch.no_grad():
            f = Functional(self.torch, self.model, self.inputs, fake.from_tensor)
            outputs = f(f.trained, examples(self.torch, self.inputs, count, self.zeros))
            return sum(output.numel() for output in outputs)

    def fix_of_fallback(self, fallback, fallbacks, failed):
        if "scaled_dot_product" in fallback["operation"]:
            from torch.nn.attention import SDPBackend, sdpa_kernel

            with sdpa_kernel(SDPBackend.MATH):
                _, said, error = self.traced(fallback["strategy"], SIZES[fallback["strategy"]][0])
            if error is None and not any(fallback["operation"] + "." in message for message in said):
                kernel = "torch.nn.attention.sdpa_kernel(SDPBackend.MATH)"
                return "run it within %s, whose operations have batching rules" % kernel
        if fallback["strategy"] != "jacrev" and failed["jacrev"] is None:
            if all(each["operation"] != fallback["operation"] for each in fallbacks["jacrev"]):
                return "take jacrev of the whole batch, which runs this operation once"
        return None

    # Errors

    def error_of(self, strategy, traced):
        """Of what was traced: the error and its place, confirmed with real tensors where the model is small; or None."""
        _, said, error = traced
        if error is None:
            return None
        place = self.place_of_failure(error, said)
        if sum(value.numel() * value.element_size() for value in self.model.parameters()) > MOST_CONFIRMED:
            return error, place
        f = Functional(self.torch, self.model, self.inputs, self.torch.clone)
        count, rows = SIZES[strategy][0]
        x = examples(self.torch, self.inputs, count, random_or_zero(self.torch))
        try:
            f.vmap_jacrev(x, rows) if strategy == "vmap(jacrev)" else f.jacrev(x, rows)
        except Exception as confirmed:
            return confirmed, place_of(confirmed) or place
        return None

    def place_of_failure(self, error, said):
        """Of an error in backward, the line of the forward operation."""
        for message in said:
            if message.startswith("Error detected in"):
                return place_in(message)
        return place_of(error)

    def tell(self, error, strategy, training, failed):
        thrown, place = error
        message = first_line(thrown)
        fix = self.fix_of(message, strategy, training, failed)
        self.found["errors"].append(
            dict(strategy=strategy, training=training, message=message, source=source_of(place), fix=fix)
        )

    def fix_of(self, message, strategy, training, failed):
        if "randomness" in message:
            return 'call .eval() first, or give vmap randomness="different"'
        if training:
            return "call .eval() first, or torch.func.replace_all_batch_norm_modules_(net)"
        if ".item()" in message or "data-dependent control flow" in message:
            return "compute with tensors, such as torch.where, in place of numbers"
        works = strategy != "jacrev" and failed["jacrev"] is None
        whole = "take jacrev of the whole batch, which works here" if works else None
        if re.search(r"in-?place|broadcast shape", message):
            return whole or "make a new tensor in place of changing one"
        return whole

    def errors_in_training(self, failed):
        """Of modules that do other things in training mode, in which models are made: each kind by itself."""
        nn = self.torch.nn.modules
        kinds = (
            lambda module: isinstance(module, nn.batchnorm._BatchNorm),
            lambda module: isinstance(module, nn.dropout._DropoutNd) and module.p > 0,
        )
        for is_kind in kinds:
            chosen = [module for module in self.model.modules() if is_kind(module)]
            if not chosen:
                continue
            for module in chosen:
                module.train()
            try:
                error = self.error_of("vmap(jacrev)", self.traced("vmap(jacrev)", SIZES["vmap(jacrev)"][0]))
            finally:
                self.model.eval()
            if error is not None:
                self.tell(error, "vmap(jacrev)", True, failed)

    # Memory

    def peaks_of(self, strategy):
        count = self.count
        rows = {"vmap(jacrev)": count, "grad-loop": 1}.get(strategy) or self.rows(strategy)
        taken = 0.0
        for parts in (1, 4, 16):
            chunk = None if parts == 1 else -(-rows // parts)
            if (parts > 1 and chunk == rows) or taken * parts > PATIENCE or (strategy == "grad-loop" and parts > 1):
                break
            if any((each["strategy"], each["chunk"]) == (strategy, chunk) for each in self.found["strategies"]):
                break
            start = time.process_time()
            try:
                peak = self.peak_of(strategy, count, chunk, start + PATIENCE)
            except OutOfTime:
                break
            except Exception as error:
                # Not with few examples, but with as many as these
                self.tell((error, place_of(error)), strategy, False, {"jacrev": error})
                break
            taken = time.process_time() - start
            self.found["strategies"].append(dict(strategy=strategy, chunk=chunk, peakBytes=peak))

    def peak_of(self, strategy, count, chunk, deadline):
        func = self.torch.func
        with self.new_fake() as fake:
            f = Functional(self.torch, self.model, self.inputs, fake.from_tensor)
            x = examples(self.torch, self.inputs, count, self.zeros)
            storages = self.Storages(deadline)
            for tensor in [*f.trained.values(), *f.fixed.values(), *x.values()]:
                storages.track(tensor)
            with storages:
                if strategy == "vmap(jacrev)":
                    result = func.vmap(func.jacrev(f.one), in_dims=(None, f.axes), chunk_size=chunk)(f.trained, x)
                elif strategy == "jacrev":
                    result = func.jacrev(f, chunk_size=chunk)(f.trained, x)
                else:
                    result = self.loop(f, x)
            del result
            return storages.peak

    def loop(self, f, x):
        """Rows of the Jacobian one by one, into arrays for all of them: from the second on, each holds as much."""
        trained = {name: value.requires_grad_() for name, value in f.trained.items()}
        outputs = f(trained, x)
        total = sum(output.numel() for output in outputs)
        jacobian = {name: self.torch.empty(total, *value.shape, dtype=value.dtype) for name, value in trained.items()}
        for output in outputs:
            flat = output.reshape(-1)
            for row in range(min(3, flat.numel())):
                wanted = list(trained.values())
                gradients = self.torch.autograd.grad(flat[row], wanted, retain_graph=True, allow_unused=True)
                for name, gradient in zip(trained, gradients):
                    if gradient is not None:
                        jacobian[name][row] = gradient
        return jacobian


# --- The whole


class Result:
    """Written once, by whoever comes first: the end of all, or of the time."""

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()
        self.is_written = False

    def exported(self, **values):
        """Says what is known once the archive is there, before PyTorch is asked anything."""
        self.put("exported.json", values)

    def write(self, **values):
        with self.lock:
            if not self.is_written:
                self.put("result.json", values)
                self.is_written = True

    def put(self, name, values):
        path = os.path.join(self.folder, name)
        with open(path + ".partial", "w", encoding="utf-8") as file:
            json.dump(dict(values, files=users_files()), file)
        os.replace(path + ".partial", path)


def unasked(message, source, fix):
    return dict(strategy=None, training=False, message=message, source=source, fix=fix)


def end_in_time(result, seconds, until, state):
    """Ends the process when its time is over, before others do it, and says which line was running."""

    def end():
        frame = sys._current_frames().get(threading.main_thread().ident)
        place = None
        while frame is not None and place is None:
            if is_users(frame.f_code.co_filename):
                place = (frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        if "found" in state:
            message = "PyTorch was not asked everything within %g s" % seconds
            late = unasked(message, None, "raise --time-limit")
            pytorch = dict(state["found"], errors=state["found"]["errors"] + [late])
            result.write(error=None, note=state["note"], pytorch=pytorch)
            os._exit(0)
        what = "the model was not evaluated within %g s" % seconds
        remedy = "raise --time-limit" if place is None else "look for an endless loop here, or raise --time-limit"
        result.write(error={"message": "%s; %s" % (what, remedy), "source": source_of(place)})
        os._exit(0)

    if seconds is not None:
        left = until - time.time()
        timer = threading.Timer(max(left - 1, left / 2), end)
        timer.daemon = True
        timer.start()


def main(folder):
    with open(os.path.join(folder, "request.json"), encoding="utf-8") as file:
        request = json.load(file)
    result = Result(folder)
    state = {}
    end_in_time(result, request["seconds"], request["until"], state)
    # This script's own folder holds nothing of the user's
    sys.path.pop(0)
    try:
        torch = import_torch()
        random.seed(1)
        torch.manual_seed(1)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(1)
        model = build(torch, import_file(request["file"]), request["file"], request["export"])
        inputs = inputs_of(model, request["inputs"])
        note = export(torch, model, inputs, os.path.join(folder, "model.pt2"))
        pytorch = None
        if request["probe"] is not None:
            pytorch = dict(version=torch.__version__, fallbacks=[], strategies=[], errors=[])
            state.update(found=pytorch, note=note)
            result.exported(error=None, note=note, pytorch=pytorch)
            try:
                with quiet():
                    Probe(torch, model, inputs, request["probe"], pytorch).run()
            except Exception as error:
                message = "PyTorch could not be asked everything (%s: %s)" % (type(error).__name__, first_line(error))
                pytorch["errors"].append(unasked(message, source_of(place_of(error)), None))
        result.write(error=None, note=note, pytorch=pytorch)
    except Refused as refused:
        result.write(error={"message": refused.message, "source": source_of(refused.place)})


if __name__ == "__main__":
    main(sys.argv[1])
