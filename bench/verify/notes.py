"""What a comparison says beside its conclusions: what is not compared, and what is derived."""

import dataclasses

from backprop_bench.bench.report.findings import Findings
from backprop_bench.bench.verify.comparison import Comparison


def with_notes(comparison: Comparison) -> Findings:
    """Return the findings of a comparison, with the notes after the sentences."""
    findings = comparison.findings()
    notes = dict.fromkeys(note for inspection in comparison.inspections.values() for note in inspection.notes)
    (finding,) = findings.parts
    return dataclasses.replace(findings, parts=[dataclasses.replace(finding, sentences=[*finding.sentences, *notes])])
