import json
import sys

import torch

from detseg import benchmark


def test_the_report_holds_ratios_by_operation_and_scale_and_what_they_were_measured_on(
    tmp_path, monkeypatch, capsys
):
    arguments = [
        "--only",
        "unpool",
        "--repeats",
        "3",
        "--seconds",
        "0",
        "--threads",
        "1",
        "--output",
        str(tmp_path),
    ]
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    benchmark.main()
    report = json.loads((tmp_path / "bench.json").read_text())
    conditions = report.pop("conditions")
    assert (conditions["device"], conditions["threads"]) == ("cpu", 1)
    assert conditions["torch"] == torch.__version__
    assert set(report) == {"max_unpool"}
    assert set(report["max_unpool"]) == {"lab", "vgg"}
    for ratios in report["max_unpool"].values():
        assert set(ratios) == {"forward", "both"}
        assert all(ratio > 0 for ratio in ratios.values())
    assert "max_unpool           vgg" in capsys.readouterr().out


def test_ours_and_theirs_compute_the_same():
    generator = torch.Generator().manual_seed(0)
    for cases in (benchmark.box_cases, benchmark.pixel_cases):
        for case in cases(generator, torch.device("cpu")):
            if case.scale == "lab":
                torch.testing.assert_close(
                    case.ours(*case.inputs).float(), case.theirs(*case.inputs).float(), rtol=1e-4, atol=1e-4
                )
