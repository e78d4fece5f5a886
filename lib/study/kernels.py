"""Jupyter kernels that start before their notebook is due."""

from __future__ import annotations

from pathlib import Path

from lib.study.code_hash import notebook_imports

# Jupyter interrupts an idle kernel to end it. The kernel logs this as an error; real errors still reach the notebook.
QUIET = "--IPKernelApp.log_level=CRITICAL"

# Longest time for a kernel to start, in seconds.
PATIENCE = 600


class Kernels:
    """Starts the kernel of the next notebook while another one runs, and ends the kernels that are not used.

    A kernel takes up to ten seconds on one core to start and to import what its notebook uses. Each notebook still has
    its own kernel. A waiting kernel holds up to 0.5 GB.
    """

    def __init__(self):
        self._waiting = {}

    def __enter__(self) -> Kernels:
        return self

    def __exit__(self, *_) -> None:
        for kernel in self._waiting.values():
            end(kernel)

    def prepare(self, notebook: Path, folder: Path, *further: str) -> None:
        """Start the kernel of a notebook in a folder, and import there what the notebook will import, and further modules."""
        if notebook in self._waiting:
            return
        # Imported here, so that --help does not wait for it.
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_core.utils import run_sync

        kernel = AsyncKernelManager(kernel_name="python3")
        imports = f"--IPKernelApp.exec_lines=import {', '.join(sorted({*notebook_imports(notebook), *further}))}"
        folder.mkdir(parents=True, exist_ok=True)
        run_sync(kernel.start_kernel)(extra_arguments=[QUIET, imports], cwd=str(folder))
        self._waiting[notebook] = kernel

    def take(self, notebook: Path):
        """The kernel that waits for a notebook, as papermill's `km`, or None. The caller ends it."""
        return self._waiting.pop(notebook, None)


def end(kernel) -> None:
    """End a kernel, even a busy one."""
    from jupyter_core.utils import run_sync

    run_sync(kernel.shutdown_kernel)(now=True)
