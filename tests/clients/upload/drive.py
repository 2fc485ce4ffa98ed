"""Uploads that are interrupted, corrupted, left alone and canceled: SERVER OUT. LONGHAUL_UPLOAD_MIB says how much
is uploaded at a time, 256 where it is not set."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request

from server import Server, until

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20
BYTES = int(os.environ.get("LONGHAUL_UPLOAD_MIB", "256")) * MIB + 4321
SLICE_BYTES = 4 * MIB
INTERRUPTIONS = 5
MEMORY_MAX_KIB = 200 << 10
SEED = 20171114

checked = 0


def check(what, right):
    global checked
    checked += 1
    assert right, what


class Rig:
    def __init__(self, binary, out):
        self.directory = os.path.join(out, "run")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.images = os.path.join(self.directory, "images")
        os.makedirs(self.images)
        self.server = Server(binary, self.directory)
        params = {"name": "store", "url": self.images, "hostname": "127.0.0.1", "username": "root", "password": "x"}
        store = self.server.call("POST", "/backup-storage/image-store", {"params": params})
        self.store = store["inventory"]["uuid"]
        self.file = os.path.join(self.directory, "file")
        chance = random.Random(SEED)
        with open(self.file, "wb") as file:
            for _ in range(BYTES // MIB):
                file.write(chance.randbytes(MIB))
            file.write(chance.randbytes(BYTES % MIB))
        with open(self.file, "rb") as file:
            self.md5 = hashlib.file_digest(file, "md5").hexdigest()

    def submit(self, image_id, *tags):
        data = {"name": "i", "url": "upload://i", "format": "raw", "mediaType": "RootVolumeTemplate",
                "platform": "Linux", "backupStorageUuids": [self.store]}
        params = {"jobName": "APIAddImageMsg", "jobData": json.dumps(data)}
        body = {"params": params, "systemTags": [f"uploadImage::{image_id}", *tags]}
        return self.server.call("POST", "/longjobs", body)["inventory"]["uuid"]

    def url(self, job):
        """Where the contract puts it: the result of the running job."""
        result = until("the upload's URL", lambda: self.server.job(job).get("jobResult"))
        inventory = json.loads(result)["inventory"]
        return inventory["backupStorageRefs"][0]["installPath"], inventory["uuid"]

    def details(self, image_id):
        found = self.server.call("GET", f"/images/upload-job/details/{image_id}").get("existingJobDetails", [])
        return found[0] if found else None

    def settled(self, image_id, job):
        """What tus and the details say, where tus says the same before and after."""
        before = offset_of(self.url(job)[0])
        details = self.details(image_id)["offset"]
        return (before, details) if before is not None and offset_of(self.url(job)[0]) == before else None

    def state(self, job, state):
        until(f"the job is {state}", lambda: self.server.job(job)["state"] == state)
        return self.server.job(job)

    def ended(self, job, md5, size, matches):
        """It succeeded, and what is kept is what was sent, by its digest read from the disk."""
        result = json.loads(self.state(job, "Succeeded")["jobResult"])
        check("the MD5 is right", result["upload"]["md5"] == md5 and result["inventory"]["md5Sum"] == md5)
        check("whether the id is the MD5 is told", result["upload"].get("md5Matches") == matches)
        image = self.server.call("GET", f"/images/{result['inventory']['uuid']}")["inventories"][0]
        check("the image is Ready", image["status"] == "Ready" and image["actualSize"] == size)
        path = image["backupStorageRefs"][0]["installPath"]
        with open(path, "rb") as file:
            check("its bytes are those that were sent", hashlib.file_digest(file, "md5").hexdigest() == md5)
        check("nothing else lies beside it", os.listdir(os.path.dirname(path)) == [os.path.basename(path)])

    def restart(self, job):
        self.server.kill()
        self.server.start()
        until("the upload is open again", lambda: offset_of(self.url(job)[0]) is not None)


def offset_of(url):
    request = urllib.request.Request(url, method="HEAD", headers={"Tus-Resumable": "1.0.0"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.headers["Upload-Offset"])
    except OSError:
        return None


def by_tus(rig):
    """Killed five times, in turn the client and the server; goes on from what counts each time."""
    job = rig.submit("tus")
    chance, before = random.Random(SEED), 0
    for turn in range(INTERRUPTIONS):
        url, _ = rig.url(job)
        client = tus_client(rig.file, url)
        for _ in range(chance.randrange(2, 9)):
            told = client.stdout.readline()
        check("the client got on", int(told) > before)
        if turn % 2 == 0:
            client.kill()
        else:
            rig.restart(job)
        client.wait()
        offset = offset_of(rig.url(job)[0])
        check("what was acknowledged counts", offset is not None and offset >= int(told))
        # A request that the dead client had sent, and nobody had read, may still come: between two answers of tus that are
        # the same nothing did.
        told = until("an offset that stays", lambda: rig.settled("tus", job))
        check(f"the offset is true: tus {told[0]}, the details {told[1]}", told[0] == told[1] >= offset)
        before = told[0]
    last = tus_client(rig.file, rig.url(job)[0])
    last.communicate()
    check("the last client ended well", last.returncode == 0)
    rig.ended(job, rig.md5, BYTES, None)


def tus_client(path, url):
    command = [sys.executable, os.path.join(HERE, "tus_child.py"), path, url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def curl(url, image, whole, index, part, md5=None):
    """Sends one slice with curl; answers the process."""
    md5 = md5 or hashlib.md5(part).hexdigest()
    headers = {"X-IMAGE-UUID": image, "X-IMAGE-SIZE": whole, "X-SLICE-INDEX": index,
               "X-SLICE-OFFSET": index * SLICE_BYTES, "X-SLICE-SIZE": len(part), "X-SLICE-MD5": md5}
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-F", "file=@-;filename=slice", url]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write(part)
    process.stdin.close()
    return process


def status_of(process):
    return process.stdout.read().decode()[-3:] if process.wait() == 0 else "off"


def by_slices(rig):
    """In parallel and out of order; a wrong one is refused alone; five times everything is killed."""
    job = rig.submit(rig.md5)
    _, image = rig.url(job)
    with open(rig.file, "rb") as file:
        parts = list(enumerate(iter(lambda: file.read(SLICE_BYTES), b"")))
    random.Random(SEED).shuffle(parts)
    index, part = parts[0]
    wrong = bytes([part[0] ^ 1]) + part[1:]
    right = hashlib.md5(part).hexdigest()
    check("a corrupted slice is refused",
          status_of(curl(rig.url(job)[0], image, BYTES, index, wrong, right)) == "406")
    check("and takes no other with it", status_of(curl(rig.url(job)[0], image, BYTES, *parts[1])) == "200")
    check("it is taken when it is right", status_of(curl(rig.url(job)[0], image, BYTES, index, part)) == "200")
    left, sent, turn = dict(parts[2:]), 2, 0
    while left:
        batch = list(left.items())[:3]
        clients = [(number, curl(rig.url(job)[0], image, BYTES, number, data)) for number, data in batch]
        if turn < INTERRUPTIONS:
            if turn % 2 == 0:
                clients[0][1].kill()
            else:
                rig.restart(job)
        for number, client in clients:
            if status_of(client) == "200":
                del left[number]
                sent += 1
        turn += 1
    check("every slice was taken once", sent == len(parts))
    rig.ended(job, rig.md5, BYTES, True)


def twice(rig):
    """The content of the story before: known by its MD5, so that nothing is sent."""
    start = time.monotonic()
    job = rig.submit(rig.md5, "longhaul::requireMd5")
    rig.state(job, "Succeeded")
    check("it took less than a second", time.monotonic() - start < 1)
    rig.ended(job, rig.md5, BYTES, True)


def sample(rig):
    """The reference's own example: one newline, under its MD5."""
    image_id = "68b329da9893e34099c7d8ad5cb9c940"
    job = rig.submit(image_id)
    url, image = rig.url(job)
    check("no offset but 0", rig.details(image_id)["offset"] == 0)
    check("it is taken", status_of(curl(url, image, 1, 0, b"\n")) == "200")
    rig.ended(job, image_id, 1, True)
    check("an upload that is over is not told any more", rig.details(image_id) is None)
    job = rig.submit(image_id)
    url, image = rig.url(job)
    check("other bytes are taken too", status_of(curl(url, image, 1, 0, b"x")) == "200")
    rig.ended(job, hashlib.md5(b"x").hexdigest(), 1, False)
    unknown = hashlib.md5(b"y").hexdigest()  # of nothing that is here, which would be taken at once
    job = rig.submit(unknown, "longhaul::requireMd5")
    url, image = rig.url(job)
    status_of(curl(url, image, 1, 0, b"x"))
    failed = json.loads(rig.state(job, "Failed")["jobResult"])
    check("but not where they must match", unknown in failed["detail"])
    check("and then the image is gone", rig.server.call("GET", f"/images/{image}")["inventories"] == [])


def idle(rig):
    """Nothing for a second: Suspended, with the true offset; resumed, it goes on from there."""
    config = "/global-configurations/image/upload.max.idle.duration.in.seconds/actions"
    rig.server.call("PUT", config, {"updateGlobalConfig": {"value": "1"}})
    job = rig.submit("idle")
    url, image = rig.url(job)
    check("the first slice", status_of(curl(url, image, 2 * SLICE_BYTES, 0, bytes(SLICE_BYTES))) == "200")
    suspended = rig.state(job, "Suspended")
    check("the reason is told", "uploading has been inactive more than 1 sec" in suspended["jobResult"])
    known = rig.details("idle")
    check("so is where it stands", (known["longJobState"], known["offset"]) == ("Suspended", SLICE_BYTES))
    check("nothing is taken meanwhile", status_of(curl(url, image, 2 * SLICE_BYTES, 1, bytes(SLICE_BYTES))) == "423")
    rig.server.call("PUT", config, {"updateGlobalConfig": {"value": "30"}})
    rig.server.call("PUT", f"/longjobs/{job}/actions", {"resumeLongJob": {}})
    until("it is open", lambda: offset_of(url) is not None and rig.server.job(job)["state"] == "Running")
    until("it is taken", lambda: status_of(curl(url, image, 2 * SLICE_BYTES, 1, bytes(SLICE_BYTES))) == "200")
    rig.ended(job, hashlib.md5(bytes(2 * SLICE_BYTES)).hexdigest(), 2 * SLICE_BYTES, None)


def canceled(rig):
    """Canceled by the API, and by tus: nothing is left."""
    for cancel in ["api", "tus"]:
        before = sorted(os.listdir(rig.images))
        job = rig.submit("canceled")
        url, image = rig.url(job)
        status_of(curl(url, image, 2 * SLICE_BYTES, 0, bytes(SLICE_BYTES)))
        check("there is something to remove", sorted(os.listdir(rig.images)) != before)
        if cancel == "api":
            rig.server.call("PUT", f"/longjobs/{job}/actions", {"cancelLongJob": {}})
        else:
            request = urllib.request.Request(url, method="DELETE", headers={"Tus-Resumable": "1.0.0"})
            urllib.request.urlopen(request, timeout=30).close()
        rig.state(job, "Canceled")
        check("nothing is left", sorted(os.listdir(rig.images)) == before)
        check("the image is gone", rig.server.call("GET", f"/images/{image}")["inventories"] == [])
        check("the URL leads nowhere", offset_of(url) is None)


def main():
    binary, out = sys.argv[1:]
    rig = Rig(binary, out)
    try:
        for story in [sample, by_tus, by_slices, twice, idle, canceled]:
            start = time.monotonic()
            story(rig)
            print(f"{story.__name__}: {time.monotonic() - start:.1f} s")
        with open(os.path.join(rig.directory, "server.log"), encoding="utf-8") as log:
            check("no token is in the log", "/upload/0" not in log.read().replace("/upload/{token}", ""))
    finally:
        rig.server.stop()
    print(f"the server had at most {rig.server.peak_kib >> 10} MiB of memory")
    check("it needs little memory, however large a file is", rig.server.peak_kib < MEMORY_MAX_KIB)
    print(f"{checked} passed, 0 failed")


main()
