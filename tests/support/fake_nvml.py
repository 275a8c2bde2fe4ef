"""Stands in for the module ``pynvml``: answers what a test says, refuses the rest as NVML does."""

from types import SimpleNamespace
from typing import Any

NOT_SUPPORTED = 3
GPU_IS_LOST = 15


class FakeNvml:
    """GPUs as dictionaries: the name of an NVML function after "nvmlDevice", and its answer."""

    NVML_TEMPERATURE_GPU = 0
    NVML_TEMPERATURE_THRESHOLD_SLOWDOWN = 1
    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        """A refusal with NVML's number, as in pynvml."""

        def __init__(self, value: int, text: str = "Not Supported") -> None:
            super().__init__(text)
            self.value = value

    def __init__(self, *gpus: dict[str, Any], init_error: int = 0, pairs: dict[str, int] | None = None) -> None:
        self.gpus, self.init_error, self.pairs, self.open = gpus, init_error, pairs or {}, 0

    def nvmlInit(self) -> None:  # noqa: N802
        if self.init_error:
            raise self.NVMLError(self.init_error, "Init Failed")
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> bytes:  # noqa: N802
        return b"580.95.05"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802
        return 13000

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        if "lost" in self.gpus[index]:
            raise self.NVMLError(GPU_IS_LOST, "GPU is lost")
        return self.gpus[index]

    def nvmlDeviceGetNvLinkState(self, gpu: dict[str, Any], link: int) -> int:  # noqa: N802
        states = gpu.get("nvlinks", [])
        if link >= len(states):
            raise self.NVMLError(NOT_SUPPORTED if not states else 2)
        return int(states[link])

    def nvmlDeviceGetTopologyCommonAncestor(self, first: object, second: object) -> int:  # noqa: N802
        del first, second
        return self._pair("path")

    def nvmlDeviceGetP2PStatus(self, first: object, second: object, what: int) -> int:  # noqa: N802
        del first, second
        assert type(what) is int, "pynvml 13 has the tuple (0,) for NVML_P2P_CAPS_INDEX_READ"
        return self._pair({0: "read", 2: "nvlink"}[what])

    def _pair(self, what: str) -> int:
        if what not in self.pairs:
            raise self.NVMLError(NOT_SUPPORTED)
        return self.pairs[what]

    def __getattr__(self, name: str) -> Any:
        """Answer any other question about a GPU from its dictionary."""
        if not name.startswith("nvmlDevice"):
            raise AttributeError(name)
        key = name.removeprefix("nvmlDevice")

        def answer(gpu: dict[str, Any], *_: object) -> Any:
            if key not in gpu:
                raise self.NVMLError(NOT_SUPPORTED)
            return gpu[key]

        return answer


def h100() -> dict[str, Any]:
    """Return the answers of an H100 with 18 NVLinks, idle."""
    return {
        "GetName": b"NVIDIA H100 80GB HBM3",
        "GetUUID": "GPU-1234",
        "GetPciInfo": SimpleNamespace(busId=b"00000000:1B:00.0"),
        "GetMemoryInfo": SimpleNamespace(total=80 * 1024**3, used=1024**2),
        "GetCudaComputeCapability": (9, 0),
        "GetEnforcedPowerLimit": 700000,
        "GetPowerManagementDefaultLimit": 700000,
        "GetTemperatureV": 31,
        "GetTemperatureThreshold": 87,
        "GetClockInfo": 345,
        "GetMaxClockInfo": 1980,
        "GetCurrentClocksEventReasons": 0x1,
        "GetMigMode": [0, 0],
        "GetMaxMigDeviceCount": 0,
        "GetCurrPcieLinkGeneration": 5,
        "GetMaxPcieLinkGeneration": 5,
        "GetGpuMaxPcieLinkGeneration": 5,
        "GetCurrPcieLinkWidth": 16,
        "GetMaxPcieLinkWidth": 16,
        "nvlinks": [1] * 18,
        "GetNvLinkVersion": 6,
    }
