"""Who learns the posteriors: sbipipe's estimators, raw and recalibrated, and sbi's."""

from __future__ import annotations

from contenders.pipeline import Pipeline
from contenders.sbi_package import Sbi
from contenders.task import Contender, Task
from sbipipe import plugins

__all__ = ["CONTENDERS", "Contender", "Pipeline", "Task"]

ESTIMATORS = ("npe", "nle", "nre")

CONTENDERS: dict[str, Contender] = {
    **{
        "+".join(filter(None, [kind, mended])): Pipeline(kind=kind, recalibration=mended)
        for kind in ESTIMATORS
        for mended in ("", *plugins.kinds("recalibrations"))
    },
    "sbi_npe_maf": Sbi(kind="npe", network="maf"),
    "sbi_npe_nsf": Sbi(kind="npe", network="nsf"),
    "sbi_npe_zuko_nsf": Sbi(kind="npe", network="zuko_nsf"),
    "sbi_nle_maf": Sbi(kind="nle", network="maf"),
    "sbi_nre_resnet": Sbi(kind="nre", network="resnet"),
}
