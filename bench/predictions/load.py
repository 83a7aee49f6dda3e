"""The trained networks of a run and the examples that they were tested on, for a report."""

from pathlib import Path

from backprop_bench.bench.core.network import LabelledExamples, Outcomes, TrainedNetwork
from backprop_bench.bench.core.records.kinds import AnyRecord, Trained
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.trained import kept_networks, read_network
from backprop_bench.data import Dataset, InputError, class_names, load_dataset


def outcomes_of_run(folder: Path, description: Description, rows: list[AnyRecord]) -> Outcomes | None:
    """Return the networks that a run has kept, and its test examples; ``None`` where it kept none.

    What cannot be had is left out with a note, so that the rest is shown.
    """
    kept = kept_networks(rows)
    if not kept:
        return None
    dataset, notes = _dataset_of_run(description)
    networks = []
    for row in kept:
        try:
            network = read_network(folder, row)
            _check_fit(network, dataset, row)
        except InputError as error:
            notes.append(f"The network of {row.implementation} in {row.question} is left out: {error}.")
        else:
            networks.append(network)
    return Outcomes(tuple(networks), None if dataset is None else _examples(dataset), tuple(notes))


def _dataset_of_run(description: Description) -> tuple[Dataset | None, list[str]]:
    """Return the dataset of a run if it is still the one that it was made with, else why it is not there."""
    lacking = "What the networks make of the test examples is left out"
    try:
        dataset = load_dataset(description.dataset)
    except InputError as error:
        return None, [f"{lacking}, for the dataset cannot be loaded: {error}."]
    if dataset.fingerprint() != description.dataset_crc32:
        return None, [f"{lacking}, for the examples of {dataset.name} are no longer those that the run was made with."]
    return dataset, []


def _check_fit(network: TrainedNetwork, dataset: Dataset | None, row: Trained) -> None:
    """Raise `InputError` unless a network is one of the dataset."""
    if dataset is None:
        return
    found = (network.n_inputs, network.n_classes, len(network.predicted))
    expected = (dataset.n_inputs, dataset.n_classes, len(dataset.y_test))
    if found != expected:
        raise InputError(
            f"{row.file} has {found[0]} inputs, {found[1]} classes and {found[2]} test examples; expected "
            f"{expected[0]}, {expected[1]} and {expected[2]}, as {dataset.name} has"
        )


def _examples(dataset: Dataset) -> LabelledExamples:
    names = class_names(dataset.name, dataset.n_classes)
    return LabelledExamples(dataset.x_test, dataset.x_max, dataset.y_test, names)
