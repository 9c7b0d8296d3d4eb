"""Two network namespaces joined by a link of known delay, rate and loss, for tests as root on Linux.

A veth pair under `tc netem` where the kernel has it; else two TUN devices with a process between them that holds every
packet back as netem would: after the packets before it at the link's rate, and then for the delay.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import multiprocessing
import os
import random
import select
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ADDRESSES = ("10.231.77.1", "10.231.77.2")
MTU = 9000
LONGEST_QUEUE = 1000
"""Packets held at once in a direction, netem's own default; more are dropped."""
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


class UnavailableError(Exception):
    """This machine cannot have such a link: not root, not Linux, no namespaces, no TUN."""


@dataclass(frozen=True)
class Link:
    """The two namespaces and the name of the device in each."""

    namespaces: tuple[str, str]
    device: str
    by: str  # netem or tun

    def command(self, side: int, *words: str) -> list[str]:
        """A command line inside a namespace."""
        return ["ip", "netns", "exec", self.namespaces[side], *words]


@contextlib.contextmanager
def slow_link(delay_s: float, bits_per_s: float, loss: float = 0.0) -> Iterator[Link]:
    """A link for as long as the context lasts. Raises `UnavailableError`."""
    if not hasattr(os, "geteuid") or os.geteuid() or not shutil.which("ip"):
        raise UnavailableError("needs root and iproute2")
    stem = f"tp{os.getpid() % 100000}"
    names, device = (f"{stem}a", f"{stem}b"), f"{stem}l"
    with contextlib.ExitStack() as stack:
        for name in names:
            _ip("netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False, capture_output=True)
            _ip("-n", name, "link", "set", "lo", "up")
        by = "netem"
        try:
            _veth(names, device, delay_s, bits_per_s, loss)
        except UnavailableError:
            by = "tun"
            stack.enter_context(_tunnels(names, device, delay_s, bits_per_s, loss))
        for name, address in zip(names, ADDRESSES, strict=True):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            _ip("-n", name, "link", "set", device, "up")
        yield Link(names, device, by)


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UnavailableError(f"{' '.join(words)}: {done.stderr.strip()}")


def _veth(names: tuple[str, str], device: str, delay_s: float, bits_per_s: float, loss: float) -> None:
    _ip("link", "add", device, "netns", names[0], "type", "veth", "peer", "name", device, "netns", names[1])
    try:
        for name in names:
            shape = ("delay", f"{delay_s * 1e6:.0f}us", "rate", f"{bits_per_s:.0f}", "loss", f"{loss:.4%}")
            _run("tc", "-n", name, "qdisc", "add", "dev", device, "root", "netem", *shape)
    except UnavailableError:
        _ip("-n", names[0], "link", "del", device)
        raise


@contextlib.contextmanager
def _tunnels(names: tuple[str, str], device: str, delay_s: float, bits_per_s: float, loss: float) -> Iterator[None]:
    """TUN devices keep their other end in the process that made them, wherever they are moved to."""
    ends = []
    try:
        for number, name in enumerate(names):
            ends.append(_tun(made := f"{device}{number}"))
            _ip("link", "set", made, "netns", name)
            _ip("-n", name, "link", "set", made, "name", device, "mtu", str(MTU), "txqueuelen", "1000")
        between = multiprocessing.get_context("fork").Process(
            target=_carry, args=(ends[0], ends[1], delay_s, bits_per_s, loss), daemon=True
        )
        between.start()
        try:
            yield
        finally:
            between.kill()
            between.join()
    finally:
        for end in ends:
            os.close(end)


def _tun(name: str) -> int:
    if not Path("/dev/net/tun").exists():
        raise UnavailableError("the kernel has neither netem nor /dev/net/tun")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return end


def _carry(left: int, right: int, delay_s: float, bits_per_s: float, loss: float) -> None:
    """Carry packets both ways for ever."""
    chance = random.Random(0)
    held: list[tuple[float, int, int, bytes]] = []  # when, in which order, to whom, what
    free_s, waiting = {left: 0.0, right: 0.0}, {left: 0, right: 0}
    count = 0
    while True:
        now_s = time.monotonic()
        while held and held[0][0] <= now_s:
            _, _, to, packet = heapq.heappop(held)
            waiting[to] -= 1
            with contextlib.suppress(OSError):  # the device is not up yet, or no longer
                os.write(to, packet)
        ready, _, _ = select.select([left, right], [], [], max(0.0, held[0][0] - now_s) if held else 1.0)
        for source in ready:
            to = right if source == left else left
            try:
                packet = os.read(source, 65536)
            except OSError:
                continue
            if waiting[to] >= LONGEST_QUEUE or chance.random() < loss:
                continue
            free_s[to] = max(time.monotonic(), free_s[to]) + len(packet) * 8 / bits_per_s
            count, waiting[to] = count + 1, waiting[to] + 1
            heapq.heappush(held, (free_s[to] + delay_s, count, to, packet))
