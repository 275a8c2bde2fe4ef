"""Setup verification: how NVML, the system, the environment and JSON are read."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fake_nvml import FakeNvml, h100
from shown import row

from mgpu_lab.verification import example, examples, load, verify
from mgpu_lab.verification.gpu_pairs import name_pairs
from mgpu_lab.verification.hardware import Gpu, MigSlice, Pair
from mgpu_lab.verification.host import read_host
from mgpu_lab.verification.machine import machine_from_json
from mgpu_lab.verification.nvml import read_hardware
from mgpu_lab.verification.sysfs import count_listed
from mgpu_lab.verification.visible import read_visible
from mgpu_lab.wire.errors import UsageError


# reading CUDA_VISIBLE_DEVICES and naming pairs
@pytest.mark.parametrize(
    ("value", "gpus"),
    [
        (None, (0, 1, 2)),
        ("2,0", (2, 0)),
        (" 1 , 2 ", (1, 2)),
        ("GPU-b", (1,)),
        ("GPU-", ()),  # fits all three, so it names none
        ("0,-1,2", (0,)),
        ("0,0", ()),
    ],
)
def test_read_visible(value, gpus):
    three = [Gpu(0, uuid="GPU-a0"), Gpu(1, uuid="GPU-b0"), Gpu(2, uuid="GPU-c0")]
    assert read_visible(value, three).gpus == gpus


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([(0, 1)], "GPU 0 and 1"),
        ([(0, 1), (2, 3)], "GPU 0 and 1, GPU 2 and 3"),
        ([(0, 1), (0, 2), (1, 2)], "among GPU 0-2"),
        ([(0, 2), (0, 3), (1, 2), (1, 3)], "between GPU 0-1 and GPU 2-3"),
        ([(0, 1), (1, 2), (2, 3)], "GPU 0 and 1, 1 and 2, 2 and 3"),
        ([(0, 1), (1, 2), (2, 3), (0, 3), (0, 2)], "GPU 0 and 1, 0 and 2, 0 and 3, 1 and 2, 2 and 3"),
    ],
)
def test_name_pairs(pairs, words):
    assert name_pairs(pairs) == words


# reading NVML
def test_nvml_answers_become_facts(tmp_path):
    device = tmp_path / "bus/pci/devices/0000:1b:00.0"
    device.mkdir(parents=True)
    for name, text in {"max_link_width": "16", "numa_node": "1", "vendor": "0x10de", "class": "0x030200"}.items():
        (device / name).write_text(text + "\n")
    nvml = FakeNvml(h100(), h100(), pairs={"path": 50, "read": 0, "nvlink": 0})
    hardware = read_hardware(nvml, tmp_path)
    assert (hardware.nvml, hardware.driver_version, hardware.driver_cuda) == ("ok", "580.95.05", "13.0")
    assert hardware.pci_cards == 1
    assert hardware.pairs == (Pair(0, 1, path="SYS", nvlink=True, peer="ok"),)
    assert hardware.gpus[0] == Gpu(
        index=0,
        name="NVIDIA H100 80GB HBM3",
        uuid="GPU-1234",
        pci_bus_id="0000:1b:00.0",
        memory_bytes=80 * 1024**3,
        memory_used_bytes=1024**2,
        compute_capability=(9, 0),
        power_limit_w=700,
        power_default_w=700,
        temperature_c=31,
        slowdown_temperature_c=87,
        sm_clock_mhz=345,
        sm_clock_max_mhz=1980,
        throttle=("idle",),
        mig=False,
        pcie_generation=5,
        pcie_generation_max=5,
        pcie_generation_card=5,
        pcie_width=16,
        pcie_width_max=16,
        pcie_width_card=16,
        nvlink_version="4",
        nvlink_active=18,
        numa_node=1,
    )
    assert nvml.open == 0


def test_what_nvml_refuses_is_unknown_with_its_reason(tmp_path):
    nvml = FakeNvml({"GetName": "NVIDIA Thing"}, {"GetName": "NVIDIA Thing"})
    hardware = read_hardware(nvml, tmp_path)
    gpu = hardware.gpus[0]
    assert gpu.name == "NVIDIA Thing"
    assert gpu.temperature_c is None
    assert gpu.unknown["temperature_c"] == "NVML: Not Supported"
    assert gpu.nvlink_active == 0  # "not supported" for link 0: the card has none
    assert hardware.pairs[0].unknown["peer"] == "NVML: Not Supported"
    report = verify(replace(example("renumbered"), hardware=hardware))
    not_known = {each.name for each in report.of("unknown")}
    assert {"temperature, GPU 0-1", "clocks, GPU 0-1", "PCIe path", "peer access, driver"} <= not_known
    assert row(report, "temperature, GPU 0-1").reason == "NVML: Not Supported"
    assert report.ok


def test_a_lost_gpu_is_reported_and_the_others_are_read(tmp_path):
    hardware = read_hardware(FakeNvml(h100(), {"lost": True}), tmp_path)
    assert hardware.gpus[0].name == "NVIDIA H100 80GB HBM3"
    found = row(verify(replace(example("h100_nvlink"), hardware=hardware)), "model, GPU 1")
    assert (found.status, found.reason) == ("warn", "NVML: GPU is lost")


def test_mig_slices_are_listed(tmp_path):
    part = {"GetName": "MIG 3g.40gb", "GetUUID": "MIG-1", "GetMemoryInfo": SimpleNamespace(total=40, used=0)}
    gpu = h100() | {"GetMigMode": [1, 1], "GetMaxMigDeviceCount": 7, "GetMigDeviceHandleByIndex": part}
    slices = read_hardware(FakeNvml(gpu), tmp_path).gpus[0].mig_slices
    assert slices == (MigSlice("MIG 3g.40gb", "MIG-1", 40),) * 7


def test_older_drivers_are_asked_by_the_older_names(tmp_path):
    old = {"GetTemperature": 70, "GetCurrentClocksThrottleReasons": 0x24}
    gpu = {key: value for key, value in h100().items() if not key.endswith(("TemperatureV", "EventReasons"))} | old
    found = read_hardware(FakeNvml(gpu), tmp_path).gpus[0]
    assert (found.temperature_c, found.throttle) == (70, ("power limit", "too hot (driver)"))


@pytest.mark.parametrize(
    ("number", "words"),
    [(9, "driver_not_loaded"), (12, "library_not_found"), (18, "version_mismatch"), (999, "Init Failed")],
)
def test_nvml_that_does_not_start_says_why(number, words, tmp_path):
    assert read_hardware(FakeNvml(init_error=number), tmp_path).nvml == words


def test_nvml_missing_as_a_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert read_hardware(sysfs=tmp_path).nvml == "not_installed"


# reading the system
@pytest.mark.parametrize(("text", "count"), [("0", 1), ("0-3", 4), ("0-3,8", 5), ("", None), ("x", None)])
def test_count_listed(text, count):
    assert count_listed(text) == count


@pytest.mark.parametrize(
    ("files", "limits"),
    [
        ({"cpu.max": "150000 100000\n", "memory.max": "2147483648\n"}, (1.5, 2**31)),
        ({"cpu.max": "max 100000", "memory.max": "max"}, (None, None)),
        ({}, (None, None)),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, (2.0, None)),  # version 1
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, (None, None)),  # version 1 says "no limit" so
    ],
)
def test_container_limits_are_read(files, limits, tmp_path):
    for name, text in files.items():
        path = tmp_path / "fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    host = read_host(sysfs=tmp_path, shm=tmp_path / "none")
    assert (host.cpu_quota_cores, host.memory_limit_bytes) == limits
    assert (host.shm_bytes, host.numa_nodes) == (None, None)


def test_only_variables_that_matter_are_kept(monkeypatch):
    monkeypatch.setenv("NCCL_DEBUG", "INFO")
    monkeypatch.setenv("MY_PASSWORD", "secret")
    environment = read_host().environment
    assert environment["NCCL_DEBUG"] == "INFO"
    assert "MY_PASSWORD" not in environment


# JSON
@pytest.mark.parametrize("name", examples())
def test_a_machine_survives_json(name):
    data = json.dumps(verify(example(name)).to_data())
    assert machine_from_json(data) == example(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "holds no"),
        ('{"machine": {"label": "x"}}', "required"),
        ('{"machine": {"label": 7}}', r"machine\.label should be"),
        ('{"machine": {"hardware": {"nvml": "ok", "gpus": [{"index": "0"}]}}}', r"gpus\[0\]\.index should be"),
        ('{"machine": {"host": {"python": [3, 12]}}}', r"host\.python should be"),
        ('{"machine": {"colour": 1}}', "no field 'colour'"),
    ],
)
def test_json_that_is_no_machine_is_explained(text, words):
    with pytest.raises(UsageError, match=words):
        machine_from_json(text)


def test_a_file_from_another_machine_says_so(tmp_path):
    path = tmp_path / "student.json"
    path.write_text(json.dumps({"machine": verify(example("no_gpu")).to_data()["machine"]}))
    assert "captured in student.json" in repr(verify(load(path)))
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path / "none.json")
