"""What a reader needs to know to repeat a measurement on the CPU."""

import datetime
import os
import platform
import shlex
import sys
from pathlib import Path

import numpy as np
import torch


def surroundings(module):
    """Device, versions, date and command, for the head of a results file."""
    return {
        "device": processor(),
        "cores": os.cpu_count(),
        "threads of PyTorch": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
    }


def processor():
    """The name the processor gives itself, where the system passes it on."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
