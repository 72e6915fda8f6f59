"""What the figures were taken on, and how busy it was meanwhile."""

import os
import platform
import resource
import subprocess
from importlib import metadata
from pathlib import Path

FLAGS = ["avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512vbmi", "avx512_vbmi2", "avx512_bitalg", "gfni"]


def read(path):
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def describe(cpu):
    """The processor that the measuring is pinned to, in words of its own."""
    about = {}
    for line in (read("/proc/cpuinfo") or "").split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        about[key.strip()] = value.strip()
    flags = about.get("flags", "").split()
    return {
        "cpu": about.get("model name") or platform.processor() or platform.machine(),
        "family": about.get("cpu family"), "model": about.get("model"), "stepping": about.get("stepping"),
        "mhz": about.get("cpu MHz"), "cache": about.get("cache size"),
        "cpus": os.cpu_count(), "pinned_to": cpu, "virtual": "hypervisor" in flags,
        "flags": [f for f in FLAGS if f in flags],
        "governor": read(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"),  # None: not readable
        "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
    }


def versions(packages):
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def compiler():
    try:
        return subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError):
        return None


class Load:
    """How busy the machine was, and how much of it with other work than ours."""

    def __init__(self):
        self.before = os.getloadavg()[0]
        self.start = self.now()

    @staticmethod
    def now():
        ticks = [int(t) for t in (read("/proc/stat") or "cpu 0 0 0 0 0 0 0 0").splitlines()[0].split()[1:9]]
        second = os.sysconf("SC_CLK_TCK")
        own = sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
        idle, stolen = ticks[3] + ticks[4], ticks[7]
        return sum(ticks) / second, (sum(ticks) - idle - stolen) / second, stolen / second, own

    def done(self, own=None):
        """own: processor seconds of ours, from those who know better than what this process waited for."""
        total, busy, stolen, waited = (after - before for after, before in zip(self.now(), self.start))
        own = waited if own is None else own
        share = (lambda seconds: round(max(0.0, seconds) / total, 4)) if total else (lambda seconds: None)
        return {"load_before": round(self.before, 2), "load_after": round(os.getloadavg()[0], 2), "others": share(busy - own), "stolen": share(stolen)}
