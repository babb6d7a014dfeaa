import sys
from pathlib import Path

import joblib
import pytest
from dask.distributed import LocalCluster

from sbipipe import runtime
from sbipipe.config import Runtime
from sbipipe.interfaces import InputError


def test_an_existing_scheduler_is_used() -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        runtime.workers(Runtime(scheduler=cluster.scheduler_address)) as client,
    ):
        assert client.submit(sum, [1, 2]).result() == 3
        assert len(client.scheduler_info()["workers"]) == 1


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PATIENCE", "1s")
    with (
        pytest.raises(InputError, match=r"runtime\.scheduler: given 'tcp://127\.0\.0\.1:9'"),
        runtime.workers(Runtime(scheduler="tcp://127.0.0.1:9")),
    ):
        pytest.fail("there are workers without a scheduler")


def test_local_workers_have_one_thread_each() -> None:
    def threads() -> str:
        import os

        return os.environ["OMP_NUM_THREADS"] + os.environ["MALLOC_TRIM_THRESHOLD_"]

    with runtime.workers(Runtime(workers=1)) as client:
        assert client.submit(threads).result() == f"1{2**30}"


def test_parallel_work_takes_the_workers_of_the_runtime() -> None:
    with runtime.parallel(Runtime(workers=2)):
        assert joblib.Parallel().n_jobs == 2


def test_bad_input_ends_a_stage_with_its_lines_and_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stage(name: str) -> None:
        raise InputError(f"{name}.a: wrong", f"{name}.b: wrong")

    monkeypatch.setattr(sys, "argv", ["stage", "it"])
    with pytest.raises(SystemExit) as end:
        runtime.main(stage)
    assert end.value.code == 2
    assert capsys.readouterr().err == "it.a: wrong\nit.b: wrong\n"


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert runtime.device(Runtime(device="auto")) == "cpu"
    with pytest.raises(InputError, match=r"runtime\.device: given cuda; allowed here: auto, cpu"):
        runtime.device(Runtime(device="cuda"))
