import gc
import sys
from pathlib import Path

import joblib
import pytest
from dask.distributed import Client, LocalCluster
from distributed.security import Security

from sbipipe import runtime
from sbipipe.config import Runtime
from sbipipe.records import InputError


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


def test_who_has_no_certificate_cannot_use_the_local_workers() -> None:
    with runtime.workers(Runtime(workers=1)) as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1")
        with pytest.raises(OSError, match=r"reset|closed|Timed out"):
            Client(address.replace("tls", "tcp"), timeout="2s", set_as_default=False)
        with pytest.raises(TypeError, match="ssl_context"):
            Client(address, timeout="2s", set_as_default=False)
        other = Security.temporary()
        with pytest.raises(OSError, match=r"certificate|closed|Timed out"):
            Client(address, timeout="2s", security=other, set_as_default=False)
        assert client.submit(sum, [1, 2]).result() == 3


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


@pytest.mark.parametrize(
    ("words", "stage", "name"),
    [
        (["it"], "", "it"),
        (["it"], "draw@other", "it"),
        ([], "draw@npe", "npe"),
        ([], "some@where/dvc.yaml:draw@diffusion+tempered", "diffusion+tempered"),
    ],
)
def test_an_entry_is_named_by_the_command_line_or_by_dvc(
    monkeypatch: pytest.MonkeyPatch, words: list[str], stage: str, name: str
) -> None:
    found = []

    def draw(name: str) -> None:
        found.append(name)

    monkeypatch.setattr(sys, "argv", ["draw.py", *words])
    monkeypatch.setenv(runtime.STAGE, stage)
    runtime.main(draw)
    assert found == [name]


def test_a_stage_of_no_entry_takes_no_name_from_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr(sys, "argv", ["report.py"])
    monkeypatch.setenv(runtime.STAGE, "some@where/dvc.yaml:report")
    runtime.main(lambda: found.append("called"))
    assert found == ["called"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "draw.py: given nothing; allowed: the name of one entry"),
        (["a", "b"], "draw.py: given a b; allowed: the name of one entry"),
    ],
)
def test_a_stage_needs_one_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["draw.py", *words])
    monkeypatch.delenv(runtime.STAGE, raising=False)
    with pytest.raises(SystemExit) as end:
        runtime.main(lambda name: None)
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines() == [line]


def test_the_collector_works_as_python_would_have_it_while_a_stage_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    before = gc.get_threshold()
    monkeypatch.setattr(sys, "argv", ["report.py"])
    runtime.main(lambda: found.append((gc.isenabled(), gc.get_threshold(), gc.get_freeze_count())))
    ((enabled, thresholds, frozen),) = found
    assert enabled
    assert thresholds == before
    assert frozen > 0


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert runtime.device(Runtime(device="auto")) == "cpu"
    with pytest.raises(InputError, match=r"runtime\.device: given cuda; allowed here: auto, cpu"):
        runtime.device(Runtime(device="cuda"))
