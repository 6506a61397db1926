"""tests/e2e/symbols_snapshot.py - snapshots of programs that never ran: one file, any addresses in its functions.

Addresses come from the file's unwind tables, so stripped files have them as well.
"""
import random
import re
import struct
import subprocess
import zlib

import msgpack

ROOT_KEYS = ("session", "seq", "reason", "wall_ns", "elapsed_ns", "exit_known", "exit_status", "peak_elapsed_ns")
AUDIT_KEYS = ("samples", "frees", "drained", "spilled", "untracked", "stack_full", "truncated", "module_full", "spill_full", "corrupt")
EXACT = 1 << 63
DEPTH = 40


def section(path, name):
    """(address, bytes) of a section."""
    out = subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    address, offset, size = (int(x, 16) for x in re.search(r" %s +[A-Z0-9_]+ +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) " % re.escape(name), out).groups())
    with open(path, "rb") as f:
        f.seek(offset)
        return address, f.read(size)


def functions(path):
    """(start, end) of every function with an unwind entry, sorted: by the search table of linkers, 4-byte relative values."""
    base, table = section(path, ".eh_frame_hdr")
    frames, entries = section(path, ".eh_frame")
    assert table[:4] == b"\x01\x1b\x03\x3b", "a table of another kind"
    count, = struct.unpack_from("<I", table, 8)
    for i in range(count):
        start, entry = struct.unpack_from("<ii", table, 12 + 8 * i)
        size, = struct.unpack_from("<I", entries, base + entry - frames + 12)
        yield base + start, base + start + size


def addresses(path, count, seed=1):
    """`count` distinct addresses (or as many as there are), spread over all functions."""
    rng = random.Random(seed)
    spans = [s for s in functions(path) if s[1] > s[0] > 0]
    found = set()
    for start, end in rng.sample(spans, min(len(spans), count)):
        found.add(rng.randrange(start, end))
    for _ in range(4 * count):
        if len(found) >= count:
            break
        found.add(rng.randrange(*rng.choice(spans)))
    return sorted(found)


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    found = re.search(r"Build ID: ([0-9a-f]+)", notes)
    return bytes.fromhex(found.group(1)) if found else b""


def deltas(frames):
    before = 0
    for frame in frames:
        yield ((frame - before + (1 << 63)) % (1 << 64)) - (1 << 63)
        before = frame


def write(out, path, found):
    """A snapshot whose stacks consist of these addresses of `path`, as the file has them."""
    values = [1, 0, 65536, 256 * 64, 0, 0, 65536, 256 * 64] + [0.0] * 6
    stacks = [[0, 0, list(deltas(EXACT | a for a in found[i:i + DEPTH])), values] for i in range(0, len(found), DEPTH)]
    total = [v * len(stacks) for v in values]
    snap = {"heaptap": 1, "minor": 0, "pid": 1, "ppid": 1, "uid": 0, "exe": path, "cmdline": path, "allocator": "", "rate": 1}
    snap.update((key, 1) for key in ROOT_KEYS)
    snap.update(total=total, audit=dict.fromkeys(AUDIT_KEYS, 0), modules=[[0, 1 << 40, 0, 0, path, build_id(path)]], stacks=stacks)
    packer = msgpack.Packer(use_bin_type=True)
    body = b"\xde" + (len(snap) + 1).to_bytes(2, "big") + b"".join(packer.pack(k) + packer.pack(v) for k, v in snap.items())
    body += packer.pack("crc32")
    with open(out, "wb") as f:
        f.write(body + b"\xce" + zlib.crc32(body).to_bytes(4, "big"))
