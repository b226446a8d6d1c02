# The far end of a card reader on another machine. firstlight sends this text over SSH and python3 runs it (3.7 or newer,
# standard library only); it does what it is asked and ends with the channel it is asked over. Nothing is stored here.
# Frames are described in frames.ts.
import errno
import hashlib
import json
import mmap
import os
import queue
import select
import stat
import struct
import subprocess
import sys
import threading

SILENCE = float(sys.argv[1])  # seconds without a word from firstlight, after which it is gone
BLOCK = 4 * 1024 * 1024
WORKERS = 4  # requests under way at once, and blocks held in memory
REQUEST = struct.Struct(">IBxHIIQ")  # id, operation, handle, count, bytes that follow, place
ANSWER = struct.Struct(">IBxxxII")  # id, 0 or 1 for an error, value, bytes that follow
PROGRAMS = ("lsblk", "blockdev", "eject")

speaking = threading.Lock()
blocks = queue.Queue()  # memory for bytes to write, page-aligned as O_DIRECT wants it
requests = queue.Queue(4 * WORKERS)
handles = {}
zeros = mmap.mmap(-1, BLOCK)


def end(status):
    # No cleaning up: whatever is not yet asked of the card never will be.
    os._exit(status)


def hear(view):
    """Fills the memory from standard input; ends where firstlight is gone: end of input, or nothing for too long."""
    while len(view) > 0:
        if not select.select([0], [], [], SILENCE)[0]:
            end(3)
        count = os.readv(0, [view])
        if count == 0:
            end(0)
        view = view[count:]


def say(request, failed, value, payload=b""):
    try:
        with speaking:
            for part in (ANSWER.pack(request, failed, value, len(payload)), payload):
                view = memoryview(part)
                while len(view) > 0:
                    view = view[os.write(1, view):]
    except OSError:
        end(0)


def found(stats):
    kind = "file" if stat.S_ISREG(stats.st_mode) else "block" if stat.S_ISBLK(stats.st_mode) else "other"
    return {"kind": kind, "size": stats.st_size, "blocks": stats.st_blocks, "dev": stats.st_dev, "ino": stats.st_ino, "rdev": stats.st_rdev}


def fact(path):
    try:
        with open(path, "rb") as file:
            return file.read(4096).decode("utf-8", "replace").strip()
    except OSError:
        return None


def run(asked):
    if asked["program"] not in PROGRAMS:
        raise OSError(errno.ENOENT, "no such program")
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    os.environ["PATH"] = path  # the program is looked up in it, too
    done = subprocess.run([asked["program"]] + asked["args"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=asked["seconds"], env={"PATH": path, "LC_ALL": "C"})
    return {"exitCode": done.returncode, "stdout": done.stdout.decode("utf-8", "replace"), "stderr": done.stderr.decode("utf-8", "replace")}


def opened(asked):
    flags = os.O_CLOEXEC | (os.O_RDWR if asked.get("write") else os.O_RDONLY)
    flags |= (os.O_EXCL if asked.get("exclusive") else 0) | (os.O_DIRECT if asked.get("direct") else 0)
    handle = os.open(asked["path"], flags)
    handles[handle] = asked["path"]
    return {"handle": handle}


def closed(asked):
    del handles[asked["handle"]]
    os.close(asked["handle"])


QUESTIONS = {
    "realpath": lambda asked: os.path.realpath(os.stat(asked["path"]) and asked["path"]),
    "stat": lambda asked: found(os.stat(asked["path"])),
    "fstat": lambda asked: found(os.fstat(asked["handle"])),
    "fact": lambda asked: fact(asked["path"]),
    "run": run, "open": opened, "close": closed,
}


def read(handle, at, view):
    done = 0
    while done < len(view):
        count = os.preadv(handle, [view[done:]], at + done)
        if count == 0:
            break
        done += count
    return done


def answer(memory, request, operation, handle, count, at, block, length):
    if operation == b"Q":
        asked = json.loads(bytes(memoryview(block)[:length]).decode("utf-8"))
        say(request, 0, 0, json.dumps(QUESTIONS[asked["what"]](asked)).encode("utf-8"))
    elif operation == b"W":
        say(request, 0, os.pwrite(handle, memoryview(block)[:length], at))
    elif operation == b"Z":
        say(request, 0, os.pwrite(handle, memoryview(zeros)[:count], at))
    elif operation == b"S":
        os.fsync(handle)
        say(request, 0, 0)
    else:
        view = memoryview(memory)[:count]
        there = read(handle, at, view)
        if operation == b"R":
            say(request, 0, there, view[:there])
        elif operation == b"D":
            say(request, 0, there, hashlib.sha256(view).digest() if there == count else b"")
        else:
            end(4)


def work():
    memory = mmap.mmap(-1, BLOCK)
    while True:
        job = requests.get()
        try:
            answer(memory, *job)
        except subprocess.TimeoutExpired:
            say(job[0], 1, 0, b"ETIMEDOUT")
        except OSError as error:
            say(job[0], 1, 0, errno.errorcode.get(error.errno, "EIO").encode("ascii"))
        except Exception as error:
            say(job[0], 1, 0, ("E%s" % type(error).__name__).encode("ascii"))
        finally:
            if job[5] is not None:
                blocks.put(job[5])


def main():
    for _ in range(WORKERS):
        blocks.put(mmap.mmap(-1, BLOCK))
        threading.Thread(target=work, daemon=True).start()
    greeting = {"system": sys.platform, "uid": os.geteuid(), "python": list(sys.version_info[:2])}
    os.write(1, b"\n<firstlight-card-agent>\n")
    say(0, 0, 0, json.dumps(greeting).encode("utf-8"))
    header = memoryview(bytearray(REQUEST.size))
    while True:
        hear(header)
        request, operation, handle, count, length, at = REQUEST.unpack(header)
        operation = bytes([operation])
        if operation == b"P":
            continue
        if length > BLOCK or count > BLOCK or (operation in b"WZRDS" and handle not in handles):
            end(4)
        block = None
        if length > 0:
            block = blocks.get()
            hear(memoryview(block)[:length])
        requests.put((request, operation, handle, count, at, block, length))


main()
