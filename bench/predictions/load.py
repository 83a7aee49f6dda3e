"""The trained networks of a run and its test examples, for a report."""

from pathlib import Path

from backprop_bench.bench.core.network import LabelledExamples, Outcomes, TrainedNetwork
from backprop_bench.bench.core.records.kinds import AnyRecord, Trained
from backprop_bench.bench.core.records.plan import Description
from backprop_bench.bench.core.trained import read_network, saved_networks
from backprop_bench.data import Dataset, InputError, load_dataset


def outcomes_of_run(folder: Path, description: Description, rows: list[AnyRecord]) -> Outcomes | None:
    """Return the networks that a run has saved, and its test examples; ``None`` where it saved none.

    What is missing is left out with a note, so that the rest is shown.
    """
    kept = saved_networks(rows)
    if not kept:
        return None
    dataset, notes = _dataset_of_run(description)
    networks = []
    for row in kept:
        try:
            network = read_network(folder, row, description.plan)
            _check_fit(network, dataset, row)
        except InputError as error:
            notes.append(f"The network of {row.implementation} in {row.question} is left out: {error}.")
        else:
            networks.append(network)
    return Outcomes(tuple(networks), None if dataset is None else _examples(dataset), tuple(notes))


def _dataset_of_run(description: Description) -> tuple[Dataset | None, list[str]]:
    """Return the dataset of a run if it is unchanged, else why it is missing."""
    lacking = "Predictions are left out"
    try:
        dataset = load_dataset(description.dataset)
    except InputError as error:
        return None, [f"{lacking}, because the dataset cannot be loaded: {error}."]
    if dataset.fingerprint() != description.dataset_crc32:
        return None, [f"{lacking}, because {dataset.name} is no longer the dataset of the run."]
    return dataset, []


def _check_fit(network: TrainedNetwork, dataset: Dataset | None, row: Trained) -> None:
    """Raise `InputError` unless a network is one of the dataset."""
    if dataset is None:
        return
    actual = (network.n_inputs, network.n_classes, len(network.predicted))
    expected = (dataset.n_inputs, dataset.n_classes, len(dataset.y_test))
    if actual != expected:
        raise InputError(
            f"{row.file} has {actual[0]} inputs, {actual[1]} classes and {actual[2]} test examples; expected "
            f"{expected[0]}, {expected[1]} and {expected[2]}, as {dataset.name} has"
        )


def _examples(dataset: Dataset) -> LabelledExamples:
    return LabelledExamples(dataset.x_test, dataset.ends, dataset.y_test, dataset.class_names)
