"""Setup verification: what the examples and single changed facts lead to, and how the report is written."""

from dataclasses import FrozenInstanceError, replace
from functools import partial

import pytest
from shown import Parsed, row

from mgpu_lab.verification import Machine, example, examples, verify
from mgpu_lab.verification.host import UNLIMITED
from mgpu_lab.wire.errors import UsageError

# Every row of every example that is not ok. A row that changes its status anywhere shows up here.
EXPECTED = {
    "h100_nvlink": {},
    "no_gpu": {},
    "rtx4090_no_peer": {"peer access, driver": "warn"},
    "card_in_x4_slot": {"PCIe width, GPU 1": "warn"},
    "throttling": {"temperature, GPU 2": "warn", "throttle reasons, GPU 2": "warn", "clocks, GPU 2": "warn"},
    "mig_slices": {"MIG, GPU 0": "warn"},
    "driver_too_old": {"%ranks start": "warn", "CUDA in torch": "warn", "torch kernels, GPU 0-1": "unknown"},
    "shm_64mb": {
        "/dev/shm": "warn",
        "PCIe generation, GPU 0-3": "unknown",
        "peer access, driver": "warn",
        "GPUs and NUMA nodes": "unknown",
    },
    "renumbered": {"PCIe path": "warn"},
    "torch_missing": {"%ranks start": "fail", "torch": "fail", "deepspeed": "warn"},
}
FOUND = [
    ("h100_nvlink", "%ranks start", "8 ranks over NCCL, one on each GPU"),
    ("h100_nvlink", "NVLink, GPU 0-7", "18 links of NVLink 4 active; computed: 450 GB/s per direction"),
    ("h100_nvlink", "NVLink pairs", "among GPU 0-7"),
    ("h100_nvlink", "PCIe width, GPU 0-7", "16 of 16 lanes; computed: 63 GB/s per direction at generation 5"),
    ("h100_nvlink", "temperature, GPU 0-7", "29 to 36 °C, slows down at 87 °C"),
    ("h100_nvlink", "GPUs and NUMA nodes", "GPU 0-3: node 0; GPU 4-7: node 1"),
    ("rtx4090_no_peer", "PCIe width, GPU 0-1", "16 of 16 lanes; computed: 31.5 GB/s per direction at generation 4"),
    ("rtx4090_no_peer", "peer access, driver", "refused (chipset not supported): GPU 0 and 1"),
    ("card_in_x4_slot", "PCIe width, GPU 1", "4 of 16 lanes; computed: 3.94 GB/s per direction at generation 3"),
    ("card_in_x4_slot", "PCIe generation, GPU 1", "3 now, up to 3 here, the card has 4"),
    ("throttling", "throttle reasons, GPU 2", "too hot (driver)"),
    ("throttling", "throttle reasons, GPU 0-1, 3", "power limit"),
    ("renumbered", "CUDA_VISIBLE_DEVICES", "3,1: cuda:0 = GPU 3, cuda:1 = GPU 1"),
    ("driver_too_old", "NVIDIA driver", "535.183.01, made for CUDA 12.2"),
    ("driver_too_old", "%ranks start", "2 ranks on the CPU over gloo"),
    ("shm_64mb", "/dev/shm", "64 MiB, 64 MiB free"),
    ("shm_64mb", "CPU cores", "16 cores' worth of time on 48"),
    ("no_gpu", "%ranks start", "2 ranks on the CPU over gloo"),
    ("no_gpu", "NVIDIA driver", "none"),
]

ORDER = "CUDA's order of GPUs"


def with_part(part: str, name: str, /, **changes: object) -> Machine:
    machine = example(name)
    return replace(machine, **{part: replace(getattr(machine, part), **changes)})


with_host, with_torch, with_hardware = (partial(with_part, part) for part in ("host", "torch", "hardware"))


def with_gpu(name: str, /, **changes: object) -> Machine:
    """Change GPU 0 of an example."""
    gpus = example(name).hardware.gpus
    return with_hardware(name, gpus=(replace(gpus[0], **changes), *gpus[1:]))


# the examples
def test_every_example_is_expected_here():
    assert set(examples()) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example_has_these_problems_and_no_other(name):
    report = verify(example(name))
    assert {each.name: each.status for each in report.rows if each.status != "ok"} == EXPECTED[name]
    assert report.ok == ("fail" not in EXPECTED[name].values())


@pytest.mark.parametrize(("name", "row_name", "found"), FOUND)
def test_example_shows(name, row_name, found):
    assert row(verify(example(name)), row_name).found == found


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_problem_has_a_reason_and_one_sentence_of_remedy(name):
    for each in verify(example(name)).rows:
        assert each.found
        assert each.found == each.found.strip()
        if each.status != "ok":
            assert each.reason
            assert each.remedy.endswith(".")
            assert ". " not in each.remedy
        else:
            assert not each.remedy


def test_examples_say_that_they_are_made_up():
    for name in examples():
        text = verify(example(name))
        assert "example written for this course" in repr(text)
        assert "example written for this course" in text._repr_html_()


def test_an_example_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(UsageError, match=r"'gtx'.*h100_nvlink"):
        example("gtx")


def test_no_gpu_says_that_this_is_fine():
    report = verify(example("no_gpu"))
    assert "no NVIDIA GPU, and that is fine" in report.headline
    assert "gloo" in report.headline


# one changed fact, one changed row

CHANGES = [
    (with_host("no_gpu", python=(3, 10, 14)), "Python", "fail", "3.11"),
    (with_host("no_gpu", temp_writable=False), "disk, temporary files", "fail", "file"),
    (with_host("no_gpu", temp_free_bytes=10_000_000), "disk, temporary files", "fail", "file"),
    (with_host("no_gpu", temp_free_bytes=500_000_000), "disk, temporary files", "warn", "checkpoints"),
    (with_host("no_gpu", work_free_bytes=None), "disk, working directory", "unknown", "does not say"),
    (with_host("no_gpu", work_free_bytes=10**9), "disk, working directory", "warn", "several GiB"),
    (with_host("no_gpu", usable_cores=1), "CPU cores", "warn", "2 ranks"),
    (with_host("no_gpu", cpu_quota_cores=1.5), "CPU cores", "warn", "2 ranks"),
    (with_host("h100_nvlink", usable_cores=4), "CPU cores", "warn", "8 ranks"),
    (with_host("no_gpu", memory_limit_bytes=10**9), "memory", "warn", "1 GiB"),
    (with_host("no_gpu", memory_limit_bytes=2 * 10**9), "memory", "ok", ""),
    (with_host("no_gpu", shm_bytes=None), "/dev/shm", "unknown", "Linux"),
    (example("shm_64mb"), "/dev/shm", "warn", "Docker"),
    (example("driver_too_old"), "CUDA in torch", "warn", "driver 580 or newer"),
    (with_host("no_gpu", shm_free_bytes=10**6), "/dev/shm", "warn", "nearly full"),
    (with_host("no_gpu", infiniband_devices=2), "ulimit -l (locked memory)", "warn", "RDMA"),
    (with_host("no_gpu", memlock_bytes=UNLIMITED), "ulimit -l (locked memory)", "ok", ""),
    (with_host("no_gpu", cpu_features=()), "bf16 on the CPU", "unknown", "does not list"),
    (with_host("no_gpu", system="Windows"), "operating system", "warn", "NCCL"),
    (with_host("no_gpu", environment={"NCCL_P2P_DISABLE": "1"}), "environment settings", "warn", "directly"),
    (with_host("no_gpu", environment={"RANK": "0"}), "launcher variables", "warn", "torchrun"),
    (with_host("no_gpu", packages={"ipykernel": None}), "ipykernel", "fail", "notebooks"),
    (with_host("no_gpu", packages={"peft": None}), "peft", "warn", "lesson 05"),
    (with_host("no_gpu", packages={}), "peft", "unknown", "not looked for"),
    (with_torch("no_gpu", gloo=False), "gloo", "fail", "no other way"),
    (with_torch("no_gpu", gloo=None), "gloo", "unknown", "did not say"),
    (with_torch("no_gpu", problem="timeout", detail="1 s"), "torch", "unknown", "1 s"),
    (with_torch("no_gpu", problem="timeout", detail="1 s"), "%ranks start", "unknown", "did not answer"),
    (with_torch("no_gpu", problem="import_failed", detail="libx.so"), "torch", "fail", "libx.so"),
    (with_torch("no_gpu", hip="6.4"), "CUDA in torch", "unknown", "AMD"),
    (with_torch("h100_nvlink", nccl=None), "NCCL", "unknown", "did not say"),
    (with_torch("driver_too_old", cuda=None), "CUDA in torch", "warn", "CPUs only"),
    (with_torch("driver_too_old", cuda="12.8"), "CUDA in torch", "warn", "found version 12020"),
    (with_torch("rtx4090_no_peer", architectures=("sm_90",)), "torch kernels, GPU 0-1", "warn", "8.9"),
    (with_torch("rtx4090_no_peer", architectures=("sm_75",)), "torch kernels, GPU 0-1", "warn", "8.9"),
    (with_torch("rtx4090_no_peer", architectures=("sm_86",)), "torch kernels, GPU 0-1", "ok", ""),
    (with_torch("rtx4090_no_peer", architectures=("compute_80",)), "torch kernels, GPU 0-1", "ok", ""),
    (with_torch("card_in_x4_slot", peers=()), "peer access, torch", "warn", "CUDA refuses"),
    (with_hardware("no_gpu", pci_cards=1), "NVIDIA driver", "warn", "no driver library"),
    (with_hardware("no_gpu", nvml="driver_not_loaded"), "NVIDIA driver", "warn", "kernel module"),
    (with_hardware("no_gpu", nvml="version_mismatch"), "NVIDIA driver", "warn", "differ in version"),
    (with_hardware("no_gpu", nvml="not_installed", pci_cards=2), "NVIDIA driver", "unknown", "nvidia-ml-py"),
    (with_hardware("no_gpu", nvml="Unknown Error"), "NVIDIA driver", "unknown", "Unknown Error"),
    (with_hardware("h100_nvlink", driver_version=None), "NVIDIA driver", "unknown", "did not say"),
    (with_gpu("renumbered", name=None), "model, GPU 0", "warn", "did not say"),
    (with_gpu("renumbered", compute_capability=(7, 5)), "bf16 on the GPU, GPU 0", "warn", "8.0"),
    (with_gpu("renumbered", memory_used_bytes=20 * 1024**3), "GPU memory, GPU 0", "warn", "your own ranks"),
    (with_gpu("renumbered", power_limit_w=200), "power limit, GPU 0", "warn", "lowered"),
    (with_gpu("renumbered", slowdown_temperature_c=None, temperature_c=90), "temperature, GPU 0", "warn", "slow"),
    (with_gpu("renumbered", temperature_c=None), "temperature, GPU 0", "unknown", "did not say"),
    (with_gpu("renumbered", throttle=("power brake",)), "throttle reasons, GPU 0", "warn", "slowest"),
    (with_gpu("renumbered", throttle=None), "throttle reasons, GPU 0", "unknown", "did not say"),
    (with_gpu("renumbered", pcie_generation=3), "PCIe generation, GPU 0", "warn", "not idle"),
    (with_gpu("renumbered", pcie_generation=3, throttle=None), "PCIe generation, GPU 0", "unknown", "idle"),
    (with_gpu("renumbered", pcie_width=8), "PCIe width, GPU 0", "warn", "8 lanes"),
    (with_gpu("renumbered", pcie_width=None), "PCIe width, GPU 0", "unknown", "did not say"),
    (with_gpu("renumbered", mig=None, unknown={"mig": "NVML: Unknown Error"}), "MIG, GPU 0", "unknown", "Unknown"),
    (with_gpu("h100_nvlink", nvlink_active=12), "NVLink, GPU 0", "warn", "18 active"),
    (with_gpu("h100_nvlink", nvlink_active=None), "NVLink, GPU 0", "unknown", "did not say"),
]


@pytest.mark.parametrize(("machine", "name", "status", "reason"), CHANGES)
def test_one_changed_fact_changes_this_row(machine, name, status, reason):
    found = row(verify(machine), name)
    assert found.status == status
    assert reason in found.reason


@pytest.mark.parametrize(
    ("value", "status", "words"),
    [
        ("2,3", "ok", "cuda:0 = GPU 2, cuda:1 = GPU 3"),
        ("0,7,1", "warn", "cuda:0 = GPU 0"),
        ("1,1", "warn", "no GPU is visible"),
        ("", "warn", "no GPU is visible"),
        ("-1", "warn", "no GPU is visible"),
    ],
)
def test_cuda_visible_devices_is_explained(value, status, words):
    machine = with_host("renumbered", environment={"CUDA_VISIBLE_DEVICES": value})
    found = row(verify(machine), "CUDA_VISIBLE_DEVICES")
    assert found.status == status
    assert words in found.found


def test_an_order_of_cuda_that_differs_from_the_drivers_is_seen_by_uuid():
    machine = with_host("renumbered", environment={"CUDA_VISIBLE_DEVICES": "1,3"})  # torch saw 3 first
    assert row(verify(with_host("renumbered", environment={"CUDA_VISIBLE_DEVICES": "3,1,9"})), ORDER).status == "ok"
    found = row(verify(machine), ORDER)
    assert (found.status, found.found) == ("warn", "cuda:0 = GPU 3, cuda:1 = GPU 1")


# the report
@pytest.mark.parametrize("name", ["torch_missing", "shm_64mb"])
def test_html_is_a_table_that_reads_without_colour(name):
    report = verify(example(name))
    table = Parsed(report._repr_html_())
    assert table.caption.startswith("Setup verification: ")
    assert table.columns == ["Status", "Checked", "Found", "Why, and what to do"]
    assert table.groups == list(dict.fromkeys(each.section for each in report.rows))
    assert table.row_headings == [each.name for each in report.rows]
    words = {"ok": "OK", "warn": "WARN", "fail": "FAIL", "unknown": "UNKNOWN"}
    assert [row[0] for row in table.rows if len(row) == 4] == [words[each.status] for each in report.rows]
    assert set(table.aligned()) == {"left"}


def test_html_needs_nothing_that_an_untrusted_view_strips():
    html = verify(example("h100_nvlink"))._repr_html_()
    assert not [word for word in ("<svg", "role=", "aria-", "<style", "class=", "<script", "onclick") if word in html]


def test_html_escapes_what_was_found():
    machine = with_host("no_gpu", release="<b>Linux & co</b>")
    html = verify(machine)._repr_html_()
    assert "<b>Linux" not in html
    assert "&lt;b&gt;Linux &amp; co&lt;/b&gt;" in html


def test_text_is_the_same_everywhere_and_marks_the_status(monkeypatch):
    report = verify(example("torch_missing"))
    text = repr(report)
    monkeypatch.setenv("COLUMNS", "40")
    assert repr(report) == text
    lines = text.splitlines()
    assert "[ OK ] Python                       3.12.8" in lines
    assert "[FAIL] torch                        not installed" in lines
    assert "       do:  Install it into this environment: `python -m pip install deepspeed`." in lines
    assert max(map(len, lines)) <= 110
    assert sum(line.startswith("[") for line in lines) == len(report.rows)
    assert "[ ?? ]" in repr(verify(example("shm_64mb")))
    assert report.summary == "21 ok, 1 warning, 2 failures, 0 unknown"


def test_the_headline_names_what_to_look_at():
    assert verify(example("torch_missing")).headline == "The course cannot run here yet. To settle: torch."
    assert verify(example("card_in_x4_slot")).headline.endswith("Worth a look: PCIe width, GPU 1.")


def test_report_and_facts_are_frozen():
    report = verify(example("no_gpu"))
    with pytest.raises(FrozenInstanceError):
        report.rows[0].status = "ok"
    with pytest.raises(FrozenInstanceError):
        report.machine.host.cores = 1


def test_find_gives_every_row_that_begins_so():
    assert [each.status for each in verify(example("throttling")).find("throttle reasons")] == ["ok", "warn"]
