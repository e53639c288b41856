"""A hostile client of each kind beside a polite one: the service stays up, the polite client is
answered, and memory, descriptors and disk come back.

    python Tools/verify/hostile --tinsmith PROGRAM [--seconds 60] [--only NAME,NAME] [-- FLAG...]

Needs the Python client's packages (pyzmq, protobuf). Talks to a service of its own on the loopback
interface only. Exits with 1 if any kind does harm."""

import argparse
import pathlib
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients" / "python" / "src"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from attacks import ATTACKS  # noqa: E402
from service import MIB, Polite, Service, Usage  # noqa: E402

# A worker may take what it is given, and keep what it caches within its KV cache.
FLAGS = ["--threads", "1", "--log", "warning", "--memory", "2G", "--kv-cache", "256M"]
CACHE = 256 * MIB
# What may be more at the end than at the beginning, as allocators keep some.
MEMORY_SLACK = 96 * MIB + CACHE
DESCRIPTOR_SLACK = 16
DISK_SLACK = 4 * MIB
# While the attack lasts, of all processes.
MEMORY_GROWTH = (2 << 30) + 512 * MIB


def has_come_back(now: Usage, before: Usage) -> bool:
    return (
        now.memory <= before.memory + MEMORY_SLACK
        and now.descriptors <= before.descriptors + DESCRIPTOR_SLACK
        and now.disk <= before.disk + DISK_SLACK
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tinsmith", required=True, help="the program")
    parser.add_argument("--seconds", type=float, default=60, help="how long each kind attacks")
    parser.add_argument(
        "--settle", type=float, default=90, help="how long what was taken may take to come back"
    )
    parser.add_argument(
        "--patience", type=float, default=60, help="how long the polite client waits for an answer"
    )
    parser.add_argument("--only", help="kinds, by commas: " + ", ".join(ATTACKS))
    parser.add_argument("flags", nargs="*", help="more options of tinsmith serve")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(ATTACKS)
    failed = []
    with tempfile.TemporaryDirectory(prefix="tinsmith-hostile-") as folder:
        for name in names:
            place = pathlib.Path(folder) / name
            place.mkdir()
            service = Service(options.tinsmith, place, [*FLAGS, *options.flags])
            try:
                if not try_one(name, service, options):
                    failed.append(name)
                    print(service.log.read_text(errors="replace")[-3000:], flush=True)
            finally:
                service.stop()
    print(
        f"hostile: {len(names) - len(failed)} kinds did no harm"
        + (f", these did: {', '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


def try_one(name: str, service: Service, options: argparse.Namespace) -> bool:
    polite = Polite(service.endpoint, options.patience)
    polite.start()
    time.sleep(3)
    before = service.usage()
    end = time.monotonic() + options.seconds
    struck: list[int] = []
    attacker = threading.Thread(
        target=lambda: struck.append(
            ATTACKS[name](service.endpoint, lambda: time.monotonic() < end)
        ),
        daemon=True,
    )
    attacker.start()
    peak = before
    while attacker.is_alive() and time.monotonic() < end + 60:
        now = service.usage()
        peak = Usage(
            max(peak.memory, now.memory),
            max(peak.descriptors, now.descriptors),
            max(peak.disk, now.disk),
        )
        time.sleep(0.25)
    settled_by = time.monotonic() + options.settle
    while not has_come_back(service.usage(), before) and time.monotonic() < settled_by:
        time.sleep(0.5)
    polite.stop()
    after = service.usage()
    faults = []
    if not struck:
        faults.append("the attack itself has failed")
    if not service.is_alive:
        faults.append("the service has ended")
    if polite.unanswered:
        faults.append(
            f"the polite client had no good answer to {len(polite.unanswered)} calls ({', '.join(sorted(set(polite.unanswered)))})"
        )
    if peak.memory > before.memory + MEMORY_GROWTH:
        faults.append("it took too much memory")
    if not has_come_back(after, before):
        faults.append("what it took has not come back")
    log = service.log.stat().st_size
    if log > MIB:
        faults.append(f"{log // MIB} MiB of log")
    slowest = ", ".join(f"{what} {seconds:.1f}" for what, seconds in polite.slowest.items())
    print(
        f"{'FAIL' if faults else 'ok  '} {name}: struck {struck[0] if struck else '?'} times; "
        f"before {before}; at most {peak}; after {after}; "
        f"ping p99 {polite.ping_p99 * 1000:.0f} ms; slowest in s: {slowest}",
        flush=True,
    )
    for fault in faults:
        print(f"     {fault}", flush=True)
    return not faults


if __name__ == "__main__":
    sys.exit(main())
