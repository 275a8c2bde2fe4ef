"""Judges what lies between the GPUs: NVLink, the PCIe path, peer access, CPU sockets.

Rates of NVLink per link and direction: NVIDIA's data sheets (generation 4: 18 links of 25 GB/s on an H100 SXM
make 450 GB/s per direction, sold as 900 GB/s both ways).
"""

from collections.abc import Iterator, Sequence

from mgpu_lab.verification.findings import Finding, name_gpus, unknown
from mgpu_lab.verification.gpu_pairs import name_pairs
from mgpu_lab.verification.hardware import Gpu, Hardware, Pair
from mgpu_lab.verification.torch_probe import TorchFacts

NVLINK_LINK_GB_S = {"1": 20, "2": 25, "3": 25, "4": 25, "5": 50}
_PATH_WORDS = {
    "same board": "on one board",
    "PIX": "through one PCIe switch (PIX)",
    "PXB": "through several PCIe switches (PXB)",
    "PHB": "through the CPU's PCIe bridge (PHB)",
    "NODE": "through bridges of one CPU socket (NODE)",
    "SYS": "across CPU sockets (SYS)",
}


def link_findings(hardware: Hardware, torch: TorchFacts) -> Iterator[Finding]:
    """Yield the findings in the order in which they are shown; none for fewer than two GPUs."""
    if len(hardware.gpus) < 2:  # noqa: PLR2004
        return
    yield from _nvlink(hardware)
    if any(pair.nvlink for pair in hardware.pairs):
        yield Finding("NVLink pairs", _names([pair for pair in hardware.pairs if pair.nvlink]))
    yield _paths(hardware)
    yield _peers(hardware)
    if torch.peers is not None and len(torch.devices) > 1:
        yield _cuda_peers(hardware, torch)
    yield _sockets(hardware.gpus)


def _nvlink(hardware: Hardware) -> Iterator[Finding]:
    counts: dict[tuple[int | None, str | None], list[int]] = {}
    for gpu in hardware.gpus:
        counts.setdefault((gpu.nvlink_active, gpu.nvlink_version), []).append(gpu.index)
    most = max((count for count, _ in counts if count is not None), default=None)
    for (count, version), gpus in counts.items():
        name = f"NVLink, {name_gpus(gpus)}"
        if count is None:
            reason = hardware.gpus[gpus[0]].unknown.get("nvlink_active", "NVML did not say")
            yield unknown(name, reason, "Look with `nvidia-smi nvlink --status`.")
        elif count == 0 and most == 0:
            yield Finding(name, "none", reason="these GPUs talk over PCIe")
        elif count < (most or 0):
            reason = f"other GPUs here have {most} active links, so the fabric is incomplete"
            remedy = "See `nvidia-smi nvlink --status` and `dmesg`; reseat the bridge or call the vendor."
            yield Finding(name, _nvlink_words(count, version), "warn", reason, remedy)
        else:
            yield Finding(name, _nvlink_words(count, version))


def _nvlink_words(count: int, version: str | None) -> str:
    words = f"{count} links of NVLink {version or '(version unknown)'} active"
    rate = NVLINK_LINK_GB_S.get(version or "")
    return f"{words}; computed: {count * rate} GB/s per direction" if rate and count else words


def _paths(hardware: Hardware) -> Finding:
    name = "PCIe path"
    known = [pair for pair in hardware.pairs if pair.path in _PATH_WORDS]
    if not known:
        return unknown(name, _reason(hardware.pairs, "path"), "Look with `nvidia-smi topo -m`.")
    by_path = {words: [pair for pair in known if pair.path == path] for path, words in _PATH_WORDS.items()}
    found = "; ".join(f"{words}: {_names(pairs)}" for words, pairs in by_path.items() if pairs)
    far = [pair for pair in known if pair.path == "SYS" and not pair.nvlink]
    if far:
        reason = "traffic between these GPUs crosses the link between the CPU sockets, the slowest way there is"
        remedy = "Where fewer GPUs are enough, choose those of one socket with CUDA_VISIBLE_DEVICES."
        return Finding(name, found, "warn", reason, remedy)
    if any(pair.path == "SYS" for pair in known):
        return Finding(name, found, reason="NVLink joins the GPUs, so their own traffic does not take this path")
    return Finding(name, found)


def _names(pairs: Sequence[Pair]) -> str:
    return name_pairs([(pair.first, pair.second) for pair in pairs])


def _peers(hardware: Hardware) -> Finding:
    name = "peer access, driver"
    known = [pair for pair in hardware.pairs if pair.peer is not None]
    if not known:
        return unknown(name, _reason(hardware.pairs, "peer"), "Look with `nvidia-smi topo -p2p r`.")
    refused = [pair for pair in known if pair.peer != "ok"]
    if not refused:
        return Finding(name, "between all GPUs")
    words = sorted({pair.peer or "" for pair in refused})
    reason = (
        "no GPU can read the other's memory, so NCCL copies through the host's and is slower; "
        "on GeForce RTX 40 cards the driver does not offer peer access"
    )
    remedy = "Send less often (`no_sync`, lesson 03) or less (`bf16_compress_hook`, lesson 06)."
    return Finding(name, f"refused ({', '.join(words)}): {_names(refused)}", "warn", reason, remedy)


def _cuda_peers(hardware: Hardware, torch: TorchFacts) -> Finding:
    name = "peer access, torch"
    count = len(torch.devices)
    total = count * (count - 1) // 2
    allowed = len(torch.peers or ())
    found = f"{allowed} of {total} pairs"
    if allowed == total:
        return Finding(name, found)
    if all(pair.peer == "ok" for pair in hardware.pairs):
        reason = "the driver offers it for every pair, CUDA refuses: often an IOMMU, ACS or a virtual machine"
        return Finding(name, found, "warn", reason, "Switch the IOMMU or ACS off in the BIOS, or ask the host's owner.")
    return Finding(name, found, reason="as the driver says")


def _sockets(gpus: tuple[Gpu, ...]) -> Finding:
    name = "GPUs and NUMA nodes"
    nodes: dict[str, list[int]] = {}
    for gpu in gpus:
        nodes.setdefault("unknown" if gpu.numa_node is None else str(gpu.numa_node), []).append(gpu.index)
    if set(nodes) == {"unknown"}:
        return unknown(name, "the system does not say", "Look with `nvidia-smi topo -m` (column NUMA Affinity).")
    return Finding(name, "; ".join(f"{name_gpus(group)}: node {node}" for node, group in nodes.items()))


def _reason(pairs: tuple[Pair, ...], field: str) -> str:
    return next((pair.unknown[field] for pair in pairs if field in pair.unknown), "NVML did not say")
