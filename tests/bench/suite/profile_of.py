"""Where a program's processor time goes: samples by perf, their shares by part, and a flame graph of them."""

import collections
import html
import os
import re
import shutil
import subprocess
import threading

RATE = 397  # samples a second and core; prime, so that it keeps no step with anything periodic
STACK_BYTES = 16384

# The first part one of whose words is in a frame takes the sample; those listed first are the innermost.
PARTS = (
    ("PBKDF2", ("matter::DeriveKeys", "matter::RunPlan", "IterateLanes", "PKCS5_PBKDF2")),
    ("HSM signatures", ("SignerPool",)),
    # Also where a thread of the pipeline sends the answer.
    ("gRPC, TLS, replies", ("grpc", "SSL_", "tsi_", "rpc::")),
    ("build: keys, TBS, verifiers' points", ("Impl::BuildBatch", "::BuildBatch")),
    ("verify: DAC and chain, image made and read back", ("Impl::Verify",)),
    ("verify: image signatures; seal made ready", ("Impl::Finish",)),
    ("store: tickets", ("Impl::TicketBatch",)),
    ("store: claim and intent", ("Impl::IntentBatch",)),
    ("store: seal", ("Impl::SealBatch",)),
    ("store: other", ("pg::",)),
    ("ledger", ("ledger::",)),
)


class Samples:
    """Stacks, outermost frame first, and how often each was seen."""

    def __init__(self):
        self.stacks = collections.Counter()

    def total(self):
        return sum(self.stacks.values())


def frame_name(text):
    """A frame as perf script prints it, without address, module, offset, arguments and template noise."""
    found = re.match(r"\s*[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \((\S*)\)$", text)
    if not found:
        return None
    name, module = found[1], os.path.basename(found[2])
    if name == "[unknown]":
        return f"[{module or 'unknown'}]"
    name = name.replace("(inlined)", "").replace("(anonymous namespace)::", "")
    name = re.sub(r"operator[<>-]+", "operator", name)
    while re.search(r"<[^<>]*>", name):
        name = re.sub(r"<[^<>]*>", "", name)
    name = re.sub(r"\(.*", "", name).split(" ")[-1]
    return name.removeprefix("assay::").strip() or f"[{module}]"


def fold(script):
    samples = Samples()
    frames = []
    for line in script:
        if line.strip():
            if line[0] in " \t" and (name := frame_name(line.rstrip("\n"))):
                frames.append(name)
        elif frames:
            samples.stacks[tuple(reversed(frames))] += 1
            frames = []
    if frames:
        samples.stacks[tuple(reversed(frames))] += 1
    return samples


def take(pid, seconds, path, work):
    """Samples of the process while `work(seconds)` keeps it busy; None where perf cannot take any."""
    if shutil.which("perf") is None:
        return None
    busy = threading.Thread(target=work, args=(seconds + 3,))
    busy.start()
    done = subprocess.run(
        ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(RATE), "--call-graph", f"dwarf,{STACK_BYTES}", "-p", str(pid),
         "-o", path, "--", "sh", "-c", f"sleep 1.5; exec sleep {seconds}"],
        check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    busy.join()
    if done.returncode != 0 or not os.path.exists(path):
        return None
    script = subprocess.Popen(["perf", "script", "--no-inline", "-F", "ip,sym,dso", "-i", path], text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    samples = fold(script.stdout)
    script.wait()
    os.unlink(path)
    return samples if samples.total() else None


def part_of(stack):
    for part, words in PARTS:
        if any(word in frame for frame in stack for word in words):
            return part
    return "other"


def shares(samples):
    by_part = collections.Counter()
    for stack, count in samples.stacks.items():
        by_part[part_of(stack)] += count
    total = samples.total()
    return {part: count / total for part, count in by_part.most_common()}


# ---- the picture

WIDTH, ROW, MARGIN, TOP = 1200, 15, 8, 44
LEAST_WIDTH = 1.2  # pixels; what is narrower is left out
LETTER = 6.1  # pixels
COLOURS = {"PBKDF2": (214, 90, 60), "HSM": (226, 168, 64), "build": (222, 120, 70), "verify": (196, 160, 90),
           "store": (110, 160, 110), "ledger": (90, 170, 170), "gRPC": (100, 140, 200), "other": (170, 170, 170)}


# Frames that only pass a call on.
TELL_NOTHING = ("[unknown]", "__clone", "clone3", "start_thread", "_start", "[libc.so", "[libstdc++", "std::thread::",
                "std::_Function_handler", "std::__invoke", "std::function")


class Node:
    def __init__(self):
        self.count = 0
        self.children = {}


def tree_of(samples):
    root = Node()
    for stack, count in samples.stacks.items():
        part = part_of(stack)
        known = [frame for frame in stack if not frame.startswith(TELL_NOTHING)]
        node = root
        node.count += count
        for frame in known:
            node = node.children.setdefault((frame, part), Node())
            node.count += count
    return root


def colour(part, frame):
    red, green, blue = next(value for key, value in COLOURS.items() if part.startswith(key) or key == "other")
    shade = (sum(frame.encode()) % 29) - 14
    return f"rgb({red + shade},{green + shade},{blue + shade})"


def draw(samples, title):
    """An SVG: each box is a function, as wide as its share of the samples, standing on what called it."""
    root = tree_of(samples)
    scale = (WIDTH - 2 * MARGIN) / root.count
    boxes, deepest = [], 0

    def place(node, left, depth):
        nonlocal deepest
        for (frame, part), child in sorted(node.children.items(), key=lambda item: (PART_ORDER[item[0][1]], item[0][0])):
            width = child.count * scale
            if width >= LEAST_WIDTH:
                boxes.append((frame, part, left, depth, width, child.count))
                deepest = max(deepest, depth)
                place(child, left, depth + 1)
                left += width
            else:
                left += width

    place(root, MARGIN, 0)
    height = TOP + (deepest + 1) * ROW + MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
           'font-family="monospace" font-size="10">',
           '<rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="{MARGIN}" y="18" font-size="14">{html.escape(title)}</text>',
           f'<text x="{MARGIN}" y="34">{samples.total()} samples of processor time, callers below; '
           'red PBKDF2 and building, yellow HSM and verifying, green database, blue gRPC</text>']
    for frame, part, left, depth, width, count in boxes:
        y = height - MARGIN - (depth + 1) * ROW
        letters = int((width - 4) / LETTER)
        shown = frame if len(frame) <= letters else frame[:letters - 1] + "…"
        label = f'<text x="{left + 2:.1f}" y="{y + 11}">{html.escape(shown)}</text>' if letters >= 4 else ""
        out.append(f'<g><title>{html.escape(frame)}: {count / root.count:.1%}</title><rect x="{left:.1f}" y="{y}" '
                   f'width="{max(width - 0.4, 0.4):.1f}" height="{ROW - 1}" fill="{colour(part, frame)}"/>{label}</g>')
    return "\n".join([*out, "</svg>", ""])


PART_ORDER = {name: number for number, (name, _) in enumerate(PARTS)} | {"other": len(PARTS)}
