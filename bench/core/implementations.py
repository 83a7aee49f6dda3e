"""The implementations by name: the module of each, what it needs, and its reference implementation."""

import configparser
import dataclasses
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
import sysconfig
import traceback
import types
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from backprop_bench.data import InputError, Trainer

Side = Literal["from scratch", "PyTorch", "peer", "yours", "baseline"]
Compiler = Literal["C", "C++", "Clang"]

GROUP = "backprop_bench.implementations"
"""Group of entry points under which a package registers implementations; documented in docs/your-own.md."""
UNREADABLE = "its entry points cannot be read: "
_OWN = "backprop_bench_own_"
"""Prefix of the name of a module that is made from a file of yours."""
_BESIDE: list[str] = []
"""The folder of the file of yours that was imported last, which is on the path of imports."""
METHODS = ("train_epoch", "gradients", "predict", "parameters")
"""What :class:`backprop_bench.data.Trainer` asks for."""


class LoadError(InputError):
    """An implementation of yours cannot be loaded; comparisons go on without it."""


@dataclasses.dataclass(frozen=True)
class Implementation:
    """One implementation of :class:`backprop_bench.data.Trainer`.

    Attributes
    ----------
    name
        What the command line and the records call it.
    side
        On which side of the comparison it stands.
    module, class_name
        Where its trainer is, a module or the path of a file; imported only when it is used.
    reference
        Name of its reference implementation: the one on the other side that it is verified against.
    description
        What it is, in a few words.
    requires
        Packages without which it is unavailable.
    slow
        Whether an example takes milliseconds: verification then takes fewer examples and steps.
    stage
        Whether it is a stage of the ladder between a readable implementation and a fast one.
    compiler
        The language that it needs a compiler for, or the compiler, if any.
    gpu
        Whether it needs an NVIDIA GPU.
    package
        Name and version of the package that registers it, empty where none does.
    fault
        What is wrong with how it is registered.
    """

    name: str
    side: Side
    module: str
    class_name: str
    reference: str
    description: str
    requires: tuple[str, ...] = ()
    slow: bool = False
    stage: bool = False
    compiler: Compiler | None = None
    gpu: bool = False
    package: str = ""
    fault: str | None = None

    @property
    def only_by_name(self) -> bool:
        """Whether it is compared only when asked for by name."""
        return self.slow or self.stage

    def unavailable(self) -> str | None:
        """Return why it cannot be used here, or ``None`` where it can."""
        if self.fault is not None:
            return self.fault
        if self.gpu and (reason := _no_gpu()) is not None:
            return reason
        missing = [package for package in self.requires if not _is_installed(package)]
        if missing:
            return f"needs {' and '.join(missing)}, which is not installed"
        return _no_compiler(self.compiler) if self.compiler is not None else None

    def load(self) -> type[Trainer]:
        """Import the trainer.

        Raises
        ------
        InputError
            Where it is unavailable.
        LoadError
            Where it is one of yours and cannot be imported, is no class, or lacks a method.
        """
        reason = self.unavailable()
        if reason is not None:
            raise InputError(f"{self.name} is unavailable: {reason}")
        if self.side == "yours":
            return _load_yours(self.module, self.class_name)
        trainer: type[Trainer] = getattr(importlib.import_module(self.module), self.class_name)
        return trainer


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # such as for __main__
        return False


def _no_compiler(language: Compiler) -> str | None:
    """Return why there is no compiler of a language here."""
    if language == "Clang":
        name = os.environ.get("CC") or "clang"
        is_clang = "clang" in Path(name).name
        return None if is_clang and shutil.which(name) else "needs Clang, and it is not found; $CC may name it"
    if language == "C":
        from backprop_bench.scratch.c_trainer import compiler

        return None if compiler() else "needs a C compiler, and none is found; $CC may name one"
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    return None if shutil.which(name) else f"needs a C++ compiler, and {name} is not found; $CXX may name another one"


def _no_gpu() -> str | None:
    """Return why PyTorch has no GPU here; it is imported only where the machine seems to have one."""
    if shutil.which("nvidia-smi") is None:
        return "needs an NVIDIA GPU, and nvidia-smi is not found"
    import torch

    return None if torch.cuda.is_available() else f"needs a GPU, and PyTorch {torch.__version__} sees none"


def _load_yours(module_or_file: str, class_name: str) -> type[Trainer]:
    module = _import_yours(module_or_file)
    if not hasattr(module, class_name):
        raise LoadError(f"{module_or_file} has no class {class_name!r}")
    trainer: type[Trainer] = getattr(module, class_name)
    if not isinstance(trainer, type):
        raise LoadError(
            f"{module_or_file}: {class_name} is no class; expected one like backprop_bench.data.Trainer, or what "
            "backprop_bench.adapt makes of functions"
        )
    reason = lacks(trainer)
    if reason is not None:
        raise LoadError(f"{module_or_file}: {class_name} {reason}; backprop_bench.adapt makes such a class of another")
    return trainer


def lacks(trainer: type) -> str | None:
    """Return which methods of a trainer a class lacks; ``None`` where it has all."""
    missing = [name for name in METHODS if not callable(getattr(trainer, name, None))]
    return f"has no method {' and no '.join(missing)}; expected {', '.join(METHODS)}" if missing else None


def _import_yours(module_or_file: str) -> types.ModuleType:
    """Import code of others, which may do anything."""
    try:
        if module_or_file.endswith(".py"):
            return _import_file(module_or_file)
        return importlib.import_module(module_or_file)
    except ModuleNotFoundError as error:
        why = f"it needs {error.name}, which is not installed" if error.name else str(error)
    except SystemExit:
        why = "it ends the program instead of only defining things"
    except Exception as error:  # noqa: BLE001 (any exception is reported)
        why = f"it raised {describe_error(error)}"
    raise LoadError(f"{module_or_file} cannot be imported: {why}")


_NOT_OWN = (str(Path(__file__).parents[2]), *set(sysconfig.get_paths().values()), "<frozen", "<mutant", "<string")
"""How names of files begin that are the suite's, or those of libraries."""


def describe_error(error: Exception) -> str:
    """Return the exception on one line, with the line number in a file of yours, or in a cell, where there is one."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if not frame.filename.startswith(_NOT_OWN)]
    place = f" in line {lines[-1]}" if lines else ""
    advice = "; define it before, in a notebook by running its cell" if type(error) is NameError else ""
    return " ".join(f"{type(error).__name__}{place}: {error}{advice}".split())


def _import_file(path: str) -> types.ModuleType:
    _import_beside(Path(path).resolve().parent)
    place = zlib.crc32(str(Path(path).resolve()).encode())  # two files may have one name
    spec = importlib.util.spec_from_file_location(f"{_OWN}{Path(path).stem}_{place:08x}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _import_beside(folder: Path) -> None:
    """Let the next file of yours import what lies beside it, as Python does for the file that it runs.

    Modules that lie beside a file imported before are forgotten: two folders may both have a ``utils.py``.
    """
    if [str(folder)] == _BESIDE:
        return
    for before in _BESIDE:
        sys.path.remove(before)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and not name.startswith(_OWN) and Path(file).is_relative_to(before):
                del sys.modules[name]
    _BESIDE[:] = [str(folder)]
    sys.path.insert(0, str(folder))


_ALL = (
    Implementation(
        name="scratch-python",
        side="from scratch",
        module="backprop_bench.scratch.python_trainer",
        class_name="PythonTrainer",
        reference="torch-eager",
        description="lists and the math module, one example at a time; reads like the derivation",
        slow=True,
    ),
    Implementation(
        name="scratch-numpy",
        side="from scratch",
        module="backprop_bench.scratch.numpy_trainer",
        class_name="NumpyTrainer",
        reference="torch-eager",
        description="readable NumPy, each line with the number of its equation",
    ),
    Implementation(
        name="scratch-inplace",
        side="from scratch",
        module="backprop_bench.scratch.inplace_trainer",
        class_name="InplaceTrainer",
        reference="torch-eager",
        description="NumPy without temporaries; gradient and weight update in one call of BLAS",
        stage=True,
    ),
    Implementation(
        name="scratch-c",
        side="from scratch",
        module="backprop_bench.scratch.c_trainer",
        class_name="CTrainer",
        reference="torch-eager",
        description="plain loops in C, compiled by the system's compiler",
        compiler="C",
        stage=True,
    ),
    Implementation(
        name="scratch-compiled",
        side="from scratch",
        module="backprop_bench.scratch.compiled_trainer",
        class_name="CompiledTrainer",
        reference="torch-eager",
        description="loops compiled by Numba that leave out the zeros of the input",
        requires=("numba",),
        stage=True,
    ),
    Implementation(
        name="scratch-cuda",
        side="from scratch",
        module="backprop_bench.scratch.cuda_trainer",
        class_name="CudaTrainer",
        reference="torch-eager",
        description="an epoch as one kernel on a GPU, compiled by Numba",
        requires=("numba", "numba_cuda"),
        stage=True,
        gpu=True,
    ),
    Implementation(
        name="torch-eager",
        side="PyTorch",
        module="backprop_bench.torch_impl.trainers",
        class_name="EagerTrainer",
        reference="scratch-numpy",
        description="nn.Module, autograd, torch.optim; batches by index",
        requires=("torch",),
    ),
    Implementation(
        name="torch-loader",
        side="PyTorch",
        module="backprop_bench.torch_impl.trainers",
        class_name="LoaderTrainer",
        reference="scratch-numpy",
        description="the same through a DataLoader, as a newcomer writes it",
        requires=("torch",),
    ),
    Implementation(
        name="torch-fused",
        side="PyTorch",
        module="backprop_bench.torch_impl.trainers",
        class_name="FusedTrainer",
        reference="scratch-numpy",
        description="torch-eager with the fused step of its optimizer",
        requires=("torch",),
        stage=True,
    ),
    Implementation(
        name="torch-manual",
        side="PyTorch",
        module="backprop_bench.torch_impl.manual",
        class_name="ManualTrainer",
        reference="scratch-numpy",
        description="PyTorch's operations with a hand-written gradient, without autograd",
        requires=("torch",),
        stage=True,
    ),
    Implementation(
        name="torch-compile",
        side="PyTorch",
        module="backprop_bench.torch_impl.compiled",
        class_name="CompileTrainer",
        reference="scratch-numpy",
        description="the whole training step compiled by torch.compile",
        requires=("torch",),
        compiler="C++",
        stage=True,
    ),
    Implementation(
        name="torch-cuda-graph",
        side="PyTorch",
        module="backprop_bench.torch_impl.cuda_graph",
        class_name="CudaGraphTrainer",
        reference="scratch-numpy",
        description="torch-manual on a GPU, its whole step captured once and replayed",
        requires=("torch",),
        stage=True,
        gpu=True,
    ),
    Implementation(
        name="sklearn",
        side="peer",
        module="backprop_bench.peers.sklearn_trainer",
        class_name="SklearnTrainer",
        reference="scratch-numpy",
        description="scikit-learn's MLPClassifier",
        requires=("sklearn",),
        stage=True,
    ),
    Implementation(
        name="jax",
        side="peer",
        module="backprop_bench.peers.jax_trainer",
        class_name="JaxTrainer",
        reference="scratch-numpy",
        description="JAX: one jitted loop over the batches",
        requires=("jax", "optax"),
        stage=True,
    ),
    Implementation(
        name="keras",
        side="peer",
        module="backprop_bench.peers.keras_trainer",
        class_name="KerasTrainer",
        reference="scratch-numpy",
        description="Keras on TensorFlow: one compiled loop over the batches",
        requires=("keras", "tensorflow"),
        stage=True,
    ),
    Implementation(
        name="tinygrad",
        side="peer",
        module="backprop_bench.peers.tinygrad_trainer",
        class_name="TinygradTrainer",
        reference="scratch-numpy",
        description="tinygrad: a step that its JIT captures",
        requires=("tinygrad",),
        compiler="Clang",
        stage=True,
    ),
)

IMPLEMENTATIONS: dict[str, Implementation] = {implementation.name: implementation for implementation in _ALL}

BASELINES: dict[str, Implementation] = {
    name: Implementation(
        name,
        "baseline",
        f"backprop_bench.bench.core.baselines.{module}",
        class_name,
        name,
        "the matrix products of a step alone",
    )
    for name, module, class_name in (
        ("numpy-products", "products", "NumpyProducts"),
        ("torch-products", "torch_products", "TorchProducts"),
    )
}
"""Dense-GEMM baselines: the matrix products of a step, timed beside the implementations. They train nothing."""

_CHAIN = (
    Implementation(
        name="chain-products",
        side="from scratch",
        module="backprop_bench.bench.explain.products_trainer",
        class_name="ProductsTrainer",
        reference="torch-eager",
        description="scratch-numpy with PyTorch's matrix products",
        requires=("torch",),
        stage=True,
    ),
    Implementation(
        name="chain-operations",
        side="PyTorch",
        module="backprop_bench.torch_impl.chain",
        class_name="OperationsTrainer",
        reference="scratch-numpy",
        description="the operations of scratch-numpy in PyTorch's tensors",
        requires=("torch",),
        stage=True,
    ),
    Implementation(
        name="chain-functions",
        side="PyTorch",
        module="backprop_bench.torch_impl.chain",
        class_name="FunctionsTrainer",
        reference="scratch-numpy",
        description="PyTorch's functions; gradient and weight update hand-written",
        requires=("torch",),
        stage=True,
    ),
    Implementation(
        name="chain-optimizer",
        side="PyTorch",
        module="backprop_bench.torch_impl.chain",
        class_name="OptimizerTrainer",
        reference="scratch-numpy",
        description="PyTorch's functions and optimizers; gradient hand-written",
        requires=("torch",),
        stage=True,
    ),
    Implementation(
        name="chain-autograd",
        side="PyTorch",
        module="backprop_bench.torch_impl.chain",
        class_name="AutogradTrainer",
        reference="scratch-numpy",
        description="torch-eager without nn.Module",
        requires=("torch",),
        stage=True,
    ),
)

CHAIN: dict[str, Implementation] = {implementation.name: implementation for implementation in _CHAIN}
"""The ablation chain from `scratch-numpy` to `torch-eager`: each step takes one thing more from PyTorch."""

PARTS: dict[str, Implementation] = {
    name: Implementation(
        name, "baseline", f"backprop_bench.bench.core.baselines.{module}", class_name, name, description
    )
    for name, module, class_name, description in (
        ("numpy-elementwise", "parts", "NumpyElementwise", "a step without products, nothing allocated"),
        ("numpy-allocating", "parts", "NumpyAllocating", "products and the rest, every result allocated"),
        ("numpy-update", "parts", "NumpyUpdate", "the weight update of a step alone"),
        ("numpy-fetch", "parts", "NumpyFetch", "fetching the batches alone"),
        ("numpy-reading", "parts", "NumpyReading", "reading the inputs of the batches alone"),
        ("torch-elementwise", "torch_parts", "TorchElementwise", "a step without products, nothing allocated"),
        ("torch-allocating", "torch_parts", "TorchAllocating", "products and the rest, every result allocated"),
        ("torch-update", "torch_parts", "TorchUpdate", "the weight update of a step alone"),
        ("torch-fetch", "torch_parts", "TorchFetch", "fetching the batches alone"),
    )
}
"""Parts of a step, timed alone beside :data:`CHAIN`; they train nothing."""


def trains_nothing(name: str) -> bool:
    """Say whether a name stands for a baseline or a part of a step, which is timed but not verified."""
    return name in BASELINES or name in PARTS


def registered() -> dict[str, Implementation]:
    """Return by name what installed packages register, without importing them.

    A wrong registration is there with its fault, under its name, or under the name of the package if it has none.
    """
    others: dict[str, Implementation] = {}
    for package, points in _packages_that_register():
        for name, value in points:
            known = _registered(name, value, package)
            if name in others:
                fault = f"is registered twice, by {others[name].package} and by {package}"
                known = dataclasses.replace(known, fault=fault)
            others[name] = known
    return others


def _packages_that_register() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield name and version of every package that registers something, and the names and values of its entry points.

    Package by package and not by `importlib.metadata.entry_points`, which gives nothing where one file is broken.
    """
    seen = set()
    for distribution in importlib.metadata.distributions():
        package = f"{distribution.metadata['Name']} {distribution.metadata['Version']}"
        name = re.sub(r"[-_.]+", "-", str(distribution.metadata["Name"])).lower()
        if name in seen:  # the first one on the path is imported
            continue
        seen.add(name)
        text = _entry_points_of(distribution)
        if GROUP not in text:
            continue
        parser = configparser.ConfigParser(delimiters="=", interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are written
        try:
            parser.read_string(text)
            yield package, parser.items(GROUP) if parser.has_section(GROUP) else []
        except configparser.Error as error:
            yield package, [(name, f"{UNREADABLE}{' '.join(str(error).split())}")]


def _entry_points_of(distribution: importlib.metadata.Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except (OSError, UnicodeDecodeError):  # a package that is broken is no concern of ours
        return ""


def _registered(name: str, value: str, package: str) -> Implementation:
    module, _, class_name = value.partition(":")
    fault = None
    if any(name in known_ones for known_ones in (IMPLEMENTATIONS, BASELINES, CHAIN, PARTS)):
        fault = "the suite has one of this name, which is the one that is used"
    elif value.startswith(UNREADABLE):
        fault = value
    elif not all(word.isidentifier() for word in (*module.split("."), class_name)):
        fault = f"its entry point is {value!r}, expected module:ClassName"
    return Implementation(
        name=name,
        side="yours",
        module=module,
        class_name=class_name,
        reference="scratch-numpy",
        description=f"registered by {package or 'a package'}",
        requires=(module.partition(".")[0],),
        stage=True,
        package=package,
        fault=fault,
    )


def named_implementation(name: str) -> Implementation:
    """Return an implementation by its name, be it registered by a package, or of ``path/to/file.py:ClassName``.

    Raises
    ------
    InputError
        For an unknown name, or a file that does not exist.
    """
    for known_ones in (IMPLEMENTATIONS, BASELINES, CHAIN, PARTS):
        if name in known_ones:
            return known_ones[name]
    path, colon, class_name = name.rpartition(":")
    if name.endswith(".py"):
        raise InputError(f"{name} names no class; expected {name}:ClassName")
    if not colon or not path.endswith(".py"):
        others = registered()
        if name in others:
            return others[name]
        known = ", ".join([*IMPLEMENTATIONS, *others])
        raise InputError(f"no implementation is named {name!r}; expected {known} or path/to/file.py:ClassName")
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist; expected a Python file with a class {class_name!r}")
    return Implementation(name, "yours", path, class_name, "scratch-numpy", "your own")


Family = Literal["from scratch", "PyTorch", "peer"]


def is_own(implementation: str) -> bool:
    """Say whether a name stands for somebody's own file."""
    return ":" in implementation


def family(implementation: str) -> Family:
    """Return which kind of implementation a name stands for."""
    if is_own(implementation):
        return "peer"
    if implementation.startswith("scratch"):
        return "from scratch"
    return "PyTorch" if implementation.startswith("torch") else "peer"
