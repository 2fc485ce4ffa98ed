#!/usr/bin/env python3
"""One file by curl to the server and to nginx (Debian's nginx-light, dav), in turns: SERVER DIRECTORY [ROUNDS].

Both write to DIRECTORY, which must be on the file system to be measured; LONGHAUL_BENCH_MIB says how large the file is
(1024). The memory is filled with a cached file before each turn, for where a host takes back free memory, whoever writes
to the page cache pays for it (crates/bench/src/warm.rs). nginx leaves the bytes in the page cache, so its file is also
measured with the fsync that makes it durable, which
the server's answer always means. Prints rows of docs/benchmarks.md: medians, least and most.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/clients/upload"))
from server import Server, until  # noqa: E402

MIB = 1 << 20
BYTES = int(os.environ.get("LONGHAUL_BENCH_MIB", "1024")) * MIB
SLICE_BYTES = 64 * MIB
AT_A_TIME = 4


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Nginx:
    def __init__(self, directory):
        self.directory, self.port = directory, free_port()
        os.makedirs(os.path.join(directory, "root"))
        temp = "\n".join(f"{name}_temp_path {directory}/temp;" for name in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(directory, "nginx.conf"), "w", encoding="ascii") as file:
            file.write(f"""
                daemon off; master_process off; pid {directory}/pid; error_log {directory}/errors;
                events {{ worker_connections 64; }}
                http {{
                    access_log off; client_max_body_size 0; {temp}
                    server {{ listen 127.0.0.1:{self.port}; root {directory}/root;
                        location / {{ dav_methods PUT DELETE; create_full_put_path on; }} }}
                }}""")
        command = ["/usr/sbin/nginx", "-e", f"{directory}/errors", "-p", directory, "-c", "nginx.conf"]
        self.process = subprocess.Popen(command)
        until("nginx listens", self.listens)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def put(self, file):
        """Seconds until curl is done, and until the bytes are on the device as well."""
        start = time.monotonic()
        curl("-T", file, f"http://127.0.0.1:{self.port}/file")
        sent = time.monotonic() - start
        path = os.path.join(self.directory, "root/file")
        with open(path, "rb") as written:
            os.fsync(written.fileno())
        durable = time.monotonic() - start
        os.remove(path)
        return sent, durable


def curl(*arguments):
    subprocess.run(["curl", "-sS", "-f", "-o", "/dev/null", *arguments], check=True)


class Longhaul:
    def __init__(self, binary, directory):
        self.server = Server(binary, directory, log_level="info")
        images = os.path.join(directory, "images")
        os.makedirs(images)
        params = {"name": "store", "url": images, "hostname": "127.0.0.1"}
        made = self.server.call("POST", "/backup-storage/image-store", {"params": params})
        self.store = made["inventory"]["uuid"]

    def begin(self):
        data = {"name": "i", "url": "upload://i", "format": "raw", "backupStorageUuids": [self.store]}
        params = {"jobName": "APIAddImageMsg", "jobData": json.dumps(data)}
        job = self.server.call("POST", "/longjobs", {"params": params})["inventory"]["uuid"]
        shown = until("the URL", lambda: self.server.job(job).get("jobResult"))
        image = json.loads(shown)["inventory"]
        return job, image["uuid"], image["backupStorageRefs"][0]["installPath"]

    def whole(self, file):
        """Seconds until curl is done, which is when all is on the device, and until the image is Ready."""
        job, image, url = self.begin()
        start = time.monotonic()
        curl("-F", f"file=@{file}", "-H", f"X-IMAGE-UUID: {image}", "-H", f"X-IMAGE-SIZE: {BYTES}", url)
        return self.end(job, image, start)

    def slices(self, parts):
        """The same in slices with their MD5, several at a time."""
        job, image, url = self.begin()
        start, running = time.monotonic(), []
        for number, (path, md5, length) in enumerate(parts):
            headers = {"X-IMAGE-UUID": image, "X-IMAGE-SIZE": BYTES, "X-SLICE-OFFSET": number * SLICE_BYTES,
                       "X-SLICE-SIZE": length, "X-SLICE-MD5": md5}
            command = ["curl", "-sS", "-f", "-o", "/dev/null", "-F", f"file=@{path}", url]
            for name, value in headers.items():
                command += ["-H", f"{name}: {value}"]
            running.append(subprocess.Popen(command))
            if len(running) == AT_A_TIME:
                assert running.pop(0).wait() == 0
        assert all(process.wait() == 0 for process in running)
        return self.end(job, image, start)

    def end(self, job, image, start):
        sent = time.monotonic() - start
        state = until("the end", lambda: (s := self.server.job(job)["state"]) != "Running" and s)
        assert state == "Succeeded", self.server.job(job)
        ready = time.monotonic() - start
        self.server.wait("DELETE", f"/images/{image}")
        self.server.wait("PUT", f"/images/{image}/actions", {"expungeImage": {}})
        return sent, ready


def memory_bytes(name):
    """A line of /proc/meminfo."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) * 1024


def fill_memory(filler):
    """No page is free afterwards but what the kernel keeps."""
    for _ in range(3):
        with open(filler, "rb", buffering=0) as holes:
            while holes.read(MIB):
                pass
        if memory_bytes("MemFree") < 3072 * MIB:
            break


def row(name, values, unit, aim=None):
    median = statistics.median(values)
    met = "" if aim is None else ("yes" if median >= aim else "**no**")
    told = "" if aim is None else f"≥ {aim}"
    print(f"| {name} | {median:.2f} | {min(values):.2f} … {max(values):.2f} | {unit} | {told} | {met} |")


def main():
    binary, directory = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(os.path.join(directory, "nginx"))
    os.makedirs(os.path.join(directory, "longhaul"))
    file = os.path.join(directory, "file")
    filler = os.path.join(directory, "filler")
    with open(filler, "wb") as holes:
        holes.truncate(memory_bytes("MemTotal"))
    chance, parts = random.Random(17), []
    with open(file, "wb") as whole:
        for number, begin in enumerate(range(0, BYTES, SLICE_BYTES)):
            piece = chance.randbytes(min(SLICE_BYTES, BYTES - begin))
            whole.write(piece)
            path = os.path.join(directory, f"slice-{number}")
            with open(path, "wb") as part:
                part.write(piece)
            parts.append((path, hashlib.md5(piece).hexdigest(), len(piece)))
    nginx, longhaul = Nginx(os.path.join(directory, "nginx")), Longhaul(binary, os.path.join(directory, "longhaul"))
    turns = {"nginx": lambda: nginx.put(file), "whole": lambda: longhaul.whole(file),
             "slices": lambda: longhaul.slices(parts)}
    took = {name: [] for name in turns}
    try:
        for number in range(rounds + 1):
            order = list(turns) if number % 2 == 0 else list(reversed(turns))
            for name in order:
                os.sync()
                fill_memory(filler)
                seconds = turns[name]()
                if number > 0:  # the first warms the caches
                    took[name].append(seconds)
                print(f"round {number} {name}: {seconds[0]:.2f} s, {seconds[1]:.2f} s", file=sys.stderr)
    finally:
        longhaul.server.stop()
        nginx.process.kill()
        nginx.process.wait()
        shutil.rmtree(directory)
    row("`curl -T` to nginx, in the page cache", [n[0] for n in took["nginx"]], "s")
    row("… with the fsync that makes it durable", [n[1] for n in took["nginx"]], "s")
    for name, what in [("whole", "`curl -F` to an upload"), ("slices", "slices with their MD5, 4 at a time, to an upload")]:
        row(f"{what}: answered, and durable", [n[0] for n in took[name]], "s")
        row("… read back, hashed, and Ready", [n[1] for n in took[name]], "s")
        row("… nginx with its fsync ÷ durable here", [n[1] / o[0] for n, o in zip(took["nginx"], took[name])], "×", 0.8)
        row("… nginx without ÷ durable here", [n[0] / o[0] for n, o in zip(took["nginx"], took[name])], "×")
    row("most memory of the server", [longhaul.server.peak_kib / 1024], "MiB")


main()
