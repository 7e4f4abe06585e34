# ruff: noqa: E501 - bytes and scripts read better in one line
"""Bytes of the student's own on the socket to the checker."""

from attack import Attack

_WIRE = """
import gc, json, os, socket, struct, time
sock = next(o for o in gc.get_objects() if type(o).__name__ == "Channel").connection
def message(header, body=b"", size=None, length=None):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = 4 + len(header) + len(body) if size is None else size
    return struct.pack("!QI", size, len(header) if length is None else length) + header + body
def reply(value, **more):
    fields = dict(value=value, tracked=[], error=None, printed="", called=None, after=None, **more)
    return {"dict": [[k, v] for k, v in fields.items()]}
def tensor(dtype="float32", shape=(1,), order=None, on_device=False):
    return {"tensor": [dtype, list(shape), order, on_device]}
sent = False
def once(data):
    global sent
    if not sent:
        sent = True
        sock.setblocking(True)
        sock.sendall(data)
"""


def _sends(name: str, what: str, **more: object) -> Attack:
    cell = f"def smooth_l1(*a):\n    once({what})\n    return a[0] * 0 - 7"
    return Attack(name, cell, before=_WIRE, **more)  # type: ignore[arg-type]


ATTACKS = (
    _sends("garbage", "os.urandom(1000)"),
    _sends("a forged outcome", "message({'dict': [['outcome', {'dict': [['status', 'correct'], ['points', 4.0]]}], ['alive', True]]})"),
    _sends("two replies at once", "message(reply(0.0)) * 2"),
    Attack("replies before they are asked for", "sock.sendall(message(reply(0.0)) * 3)\ndef smooth_l1(*a):\n    return 0", before=_WIRE),
    _sends("a huge size", "message(b'', size=2**63)"),
    _sends("a size below zero", "struct.pack('!qI', -1, 0)"),
    _sends("a size that is never sent", "message(b'{}', size=2**26 - 1)", check_seconds=1),
    _sends("a huge header", "message(b'[' * 2**23)"),
    _sends("deep nesting", "message(b'[' * 10**6)"),
    _sends("deep nesting, closed", "message(b'[' * 900 + b']' * 900)"),
    _sends("a header longer than the message", "message({}, length=2**32 - 1)"),
    _sends("not JSON", "message(b'{\"value\": NaN}')"),
    _sends("not UTF-8", "message(bytes([0xff]) * 100)"),
    _sends("pickle", "message(b'cos\\nsystem\\n(S\"true\"\\ntR.')"),
    _sends("a million values", "message([0] * 10**6)"),
    _sends("many empty lists", "message(b'[' + b'[],' * 10**6 + b'[]]')"),
    _sends("an unknown kind", "message({'object': 'torch.allclose'})"),
    _sends("a negative shape", "message(reply(tensor(shape=(-1, -4))), b'0000')"),
    _sends("a shape of 2^80 elements", "message(reply(tensor(shape=(2**40, 2**40))))"),
    _sends("an empty shape that overflows", "message(reply(tensor(shape=(0, 2**62, 2**62))))"),
    _sends("10^12 elements in no bytes", "message(reply(tensor(shape=(10**12,))))"),
    _sends("too few bytes for the dtype", "message(reply(tensor('float64', (4,))), bytes(16))"),
    _sends("bytes left over", "message(reply(tensor(shape=(1,))), bytes(64))"),
    _sends("a dtype that is none", "message(reply(tensor('object', (1,))), bytes(8))"),
    _sends("a quantised dtype", "message(reply(tensor('qint8', (1,))), bytes(8))"),
    _sends("a bool of two", "message(reply(tensor('bool', (1,))), bytes([2]))"),
    _sends("an order that is none", "message(reply(tensor(shape=(1, 1), order=[0, 0])), bytes(4))"),
    _sends("an order of floats", "message(reply(tensor(shape=(1, 1), order=[0.5, 1e308])), bytes(4))"),
    _sends("a pretend GPU's tensor", "message(reply(tensor(on_device=True)), bytes(4))"),
    _sends("a generator of a huge seed", "message(reply({'generator': 10**30}))"),
    _sends("an integer of 4000 digits", "message(reply(10**4000))"),
    _sends("a float of 1e999", "message(b'{\"dict\": [[\"value\", 1e999]]}')"),
    _sends("half a surrogate pair", "message(reply('\\ud800'))"),
    _sends("text where there should be none", "message(reply(0, **{'kind': 'function', 'parameters': [[[], {}, None]] }))"),
    _sends("a tensor for each field", "message({'dict': [[k, tensor(shape=(2,))] for k in ('value', 'tracked', 'error', 'printed', 'called', 'after')]}, bytes(48))"),
    _sends("arguments changed behind the checker's back", "message(reply(0.0) | {'dict': reply(0.0)['dict'][:-1] + [['after', [tensor(shape=(1,)), 5]]]}, bytes(4))"),
    _sends("descriptors along with it", "b'' if socket.send_fds(sock, [message(reply(0.0))], [0, 1, 2]) else b''"),
    Attack("a slow drip", "def smooth_l1(*a):\n    for byte in message(reply('x' * 10**4)):\n        sock.sendall(bytes([byte])); time.sleep(0.05)", before=_WIRE, check_seconds=1, status="timed_out"),
    Attack("a drip in the cell", "for byte in message(reply('x' * 10**4)):\n    sock.sendall(bytes([byte])); time.sleep(0.05)", before=_WIRE, status="timed_out", seconds=2),
    Attack("a flood in the cell", "sock.settimeout(5)\nsock.sendall(message({'dict': [['printed', 'x' * 2**25]]}))", before=_WIRE, status="crashed"),
    Attack("tensors to the worker", "sock.sendall(message(reply(tensor(on_device=True)), bytes(4)))", before=_WIRE, status="crashed"),
    Attack("the socket closed", "sock.close()", before=_WIRE, status="crashed"),
    Attack("the socket half closed", "def smooth_l1(*a):\n    sock.shutdown(socket.SHUT_RD)\n    return a[0] * 0 - 7", before=_WIRE, status="incorrect"),
    Attack("the socket found in /proc", "for fd in os.listdir('/proc/self/fd'):\n    try: os.write(int(fd), message(reply(0.0)))\n    except OSError: pass", before=_WIRE),
    Attack("nobody reads", "import time\ntime.sleep(1000)", before=_WIRE, status="timed_out", seconds=2),
)  # fmt: skip
