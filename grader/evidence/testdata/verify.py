#!/usr/bin/env python3
"""A second verifier of situlab's bundles, written from grader/evidence/doc.go.

    verify.py BUNDLE...       one line each: "ok HEAD", or "damaged" and what
    verify.py --proof KEY F   checks the proof in file F (situlab verify --record)
"""
import base64, hashlib, json, re, sys, tarfile, zlib

def sha(data):
    return hashlib.sha256(data).digest()

def need(condition, what):
    if not condition:
        raise ValueError(what)
# --- CRC-32C (RFC 3720, appendix B.4), reflected polynomial 0x82f63b78.
TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)

def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ TABLE[(crc ^ b) & 255]
    return crc ^ 0xFFFFFFFF
# --- Ed25519 (RFC 8032, section 6), in extended coordinates.
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)

def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0])
    g, h = 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    x, y, z, w = f - e, f + e, h - g, h + g
    return (x * z % P, w * y % P, z * w % P, x * y % P)

def times(s, point):
    out = (0, 1, 1, 0)
    while s:
        out = add(out, point) if s & 1 else out
        point, s = add(point, point), s >> 1
    return out

def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    need(y < P, "not a point")
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x * ROOT % P if (x * x - x2) % P else x
    need((x * x - x2) % P == 0 and not (x == 0 and sign), "not a point")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)

BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def signed(public, message, signature):
    a, r, s = point(public), signature[:32], int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % Q
    left, right = times(s, BASE), add(point(r), times(h, a))
    same = (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0
    need(s < Q and same, "a signature is wrong")
# --- The tree of RFC 6962.
def root(peaks):
    """The root over full subtrees, the largest first: (size, hash)."""
    out = peaks[-1][1]
    for _, peak in reversed(peaks[:-1]):
        out = sha(b"\1" + peak + out)
    return out

def grow(peaks, new):
    peaks.append((1, new))
    while len(peaks) > 1 and peaks[-2][0] == peaks[-1][0]:
        (n, left), (_, right) = peaks[-2:]
        peaks[-2:] = [(2 * n, sha(b"\1" + left + right))]

def strict64(text):
    out = base64.b64decode(text, validate=True)
    need(base64.b64encode(out) == text.encode(), "base64 with another spelling")
    return out

def checkpoint(note, key, origin=None):
    """Checks a signed checkpoint: (size, root, head)."""
    name, number, public = (f(x) for f, x in zip((str, str, strict64), key.split("+", 2)))
    need(public[:1] == b"\1" and sha(name.encode() + b"\n" + public)[:4].hex() == number, "the key is damaged")
    lines = note.split("\n")
    whole = len(lines) == 7 and lines[4] == lines[6] == "" and lines[0] == name and origin in (None, name)
    need(whole and re.fullmatch("0|[1-9][0-9]*", lines[1]) and lines[3].startswith("head sha256:"), "a checkpoint is damaged")
    prefix = "\u2014 " + name + " "
    need(lines[5].startswith(prefix), "a checkpoint has another key")
    signature = strict64(lines[5][len(prefix):])
    need(signature[:4].hex() == number and len(signature) == 68, "a checkpoint has another key")
    signed(public[1:], ("\n".join(lines[:4]) + "\n").encode(), signature[4:])
    return int(lines[1]), strict64(lines[2]), lines[3][len("head sha256:"):]

def lines_of(segment):
    while segment:
        head = re.match(rb"([0-9a-f]{8}) ([0-9a-f]{8}) ", segment)
        need(head, "a line has no length and checksum")
        data = segment[18:(end := 18 + int(head[1], 16))]
        need(segment[end:end + 1] == b"\n" and b"\n" not in data and data, "a line is cut")
        need(crc32c(data) == int(head[2], 16), "a checksum is wrong")
        yield data
        segment = segment[end + 1:]

def chain(files, at, first):
    """Checks the journal in folder at: its records, their bytes, the names of its files."""
    segments = sorted(n for n in files if re.fullmatch(re.escape(at) + r"\d{6}\.seg", n))
    need(segments == [at + "%06d.seg" % (i + 1) for i in range(len(segments))] and all(files[n] for n in segments) and segments, "a segment is missing or empty")
    prev, records, raw, peaks, roots = "0" * 64, [], [], [], []
    for data in (line for name in segments for line in lines_of(files[name])):
        r = json.loads(data)
        body, mark, rest = data.rpartition(b',"hash":"')
        need(mark and rest == r["hash"].encode() + b'"}' and sha(body).hex() == r["hash"], "a record's hash is wrong")
        need(r["seq"] == len(records) + 1 and r["prev"] == prev, "record %d is out of place" % (len(records) + 1))
        grow(peaks, sha(b"\0" + data))
        records.append(r)
        raw.append(data)
        roots.append(root(peaks))
        prev = r["hash"]
    start, types = records[0], [r["type"] for r in records]
    need(types[0] == first and start["data"].get("journal_key"), "the first record opens nothing")
    need(all((r["lab"], r["session"]) == (start["lab"], start["session"]) for r in records), "a record of another session")
    need(types.count(first) == 1 and first.replace("start", "end") not in types[:-1], "a second start, or an end before the end")
    last, text = 0, files.get(at + "checkpoints", b"").decode()
    while text:
        parts = text.split("\n", 7)
        need(len(parts) == 8 and parts[6] == "", "a checkpoint is damaged")
        size, want, head = checkpoint("\n".join(parts[:6]) + "\n", start["data"]["journal_key"], "situlab/%s/%s" % (start["lab"], start["session"]))
        sound = last < size <= len(records) and roots[size - 1] == want and records[size - 1]["hash"] == head
        need(sound, "records are missing or were rewritten, or a checkpoint is out of place")
        last, text = size, parts[7]
    need(last == len(records), "the end is not signed")
    cuts = {at + r["data"]["file"]: r["data"]["sha256"] for r in records if r["type"] == "recorder.recovery"}
    return records, raw, cuts, {*segments, *cuts, at + "checkpoints"}

def bundle(files):
    records, raw, sealed, known = chain(files, "journal/", "session.start")
    start, prev, seal, heads, seen = records[0], records[-1]["hash"], None, set(), set()
    need(records[-1]["type"] == "session.end", "the end is not at the end")
    for r in records:
        d = r["data"]
        if r["type"] == "session.files":
            sealed.update(d["sha256"] or {})
        elif r["type"] == "session.seal":
            seal = d["commitment"] if seal is None else need(False, "sealed twice")
        elif r["type"] == "session.facts":
            facts = re.search(rb'"data":\{"salt":.*?,"facts":(.*)\},"prev":"[0-9a-f]{64}","hash":"', raw[r["seq"] - 1], re.S)
            need(sha(d["salt"].encode() + b"|" + facts[1]).hex() == seal, "the facts are not those sealed")
            need(sha(("%s|%d" % (d["salt"], d["facts"]["seed"])).encode()).hex() == start["data"]["seed_commitment"], "the seed is not the one sealed")
    for slug in {n.split("/")[1] for n in files if n.startswith("jury/")}:
        own, _, cuts, names = chain(files, "jury/%s/" % slug, "decision.start")
        place = own[0]["lab"], own[0]["session"], own[0]["data"]["session_head"]
        need(place == (start["lab"], "%s/jury/%s" % (start["session"], slug), "sha256:" + prev), "decisions on other evidence")
        sealed.update(cuts)
        known, heads = known | names, heads | {(slug, "sha256:" + r["hash"]) for r in own}
        seen.update(x for r in own for x in (r["data"].get("beside") or {}).items())
    need(seen <= heads, "decisions that somebody has seen are gone")
    for name, want in sealed.items():
        need(name in files and sha(files[name]).hex() == want, name + " is not what was sealed")
    need(not set(files) - known - set(sealed) - {"verdict.json", "report.html"}, "a file is not sealed")
    return "ok sha256:" + prev

def proof(text, key):
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    need(lines[0] == "c2sp.org/tlog-proof@v1" and lines[1].startswith("extra ") and re.fullmatch(r"index \d+", lines[2]), "not a proof")
    data, index, path = strict64(lines[1][6:]), int(lines[2][6:]), [strict64(x) for x in lines[3:]]
    size, want, _ = checkpoint(note, key)
    need(index < size, "the checkpoint does not cover the record")
    at, last, h = index, size - 1, sha(b"\0" + data)  # RFC 9162, 2.1.3.2
    for p in path:
        need(last, "the path is too long")
        if at & 1 or at == last:
            h = sha(b"\1" + p + h)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            h = sha(b"\1" + h + p)
        at, last = at >> 1, last >> 1
    need(not last and h == want and json.loads(data)["seq"] == index + 1, "the record is not in the signed tree")
    return "ok " + data.decode()

def archive(path):
    with tarfile.open(path, "r:gz") as t:
        return bundle({m.name: t.extractfile(m).read() for m in t.getmembers()})

def main(args):
    code, one = 0, args[:1] == ["--proof"]
    for path in args[2:] if one else args:
        try:
            print(proof(open(path).read(), args[1]) if one else archive(path), flush=True)
        except (ValueError, LookupError, TypeError, EOFError, OSError, tarfile.TarError, zlib.error) as e:
            print("damaged", repr(str(e)), flush=True)
            code = 1
    return code

sys.exit(main(sys.argv[1:]))
