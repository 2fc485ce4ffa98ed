"""What bodies are given before they are sent, beside `given`: parameters that a call can work with. A part of each
stays as it was generated.
"""

import json
import os
import re

from server import PASSWORD, sha512

# Values of global configurations that do not end the run: its sessions, the answers it polls for, its jobs, its
# server's stop. Each of these is set to one of its values; what is no number stays as it was generated.
CONFIGS = {
    "identity/session.timeout": ["7200", "31536000"],
    "identity/session.maxConcurrent": ["100000"],
    "rest/completedApi.expiredPeriod": ["3600", "31536000"],
    "progress/progress.on": ["true", "false"],
    "longhaul/copy.bytesPerSecond": ["0", "1000000000"],
    "longhaul/copy.streams": ["1", "16"],
    "longhaul/copy.checkpointMillis": ["100", "60000"],
    "longhaul/engine.maxRunning": ["64", "100000"],
    "longhaul/engine.maxRunningSimulator": ["", "100000"],
    "longhaul/engine.cancelDeadlineSeconds": ["5", "6"],
    "longhaul/drainSeconds": ["0", "2"],
    "longhaul/volume.expungeSeconds": ["0", "86400"],
}
# Which query lists what a parameter may name.
BY_NAME = {"volumeUuid": "/volumes", "zoneUuid": "/zones", "targetResourceUuid": "/volumes"}
BY_TYPE = {"LongJobVO": "running_job", "VolumeVO": "volume", "PrimaryStorageVO": "storage"}
TAG_BY_TYPE = {"LongJobVO": "uploadImage::", "VolumeVO": "capability::", "PrimaryStorageVO": "primaryStorage::"}
LOGINS = {"logInByAccount": {"accountName": "admin"}, "logIn": {"username": "admin", "loginType": "account"},
          "logInByUser": {"accountName": "admin", "userName": "admin"}}
DISK_MAX = 64 << 20


def body(world, dice, name, given, path):
    """The parameters of whichever wrapper the body has."""
    changed = {}
    for key, value in given.items():
        if isinstance(value, dict) and key not in ("systemTags", "userTags"):
            value = parameters(world, dice, name, key, value, path)
        changed[key] = value
    return changed


def parameters(world, dice, name, wrapper, given, path):
    """The parameters inside of a wrapper."""
    changed = dict(given)
    # A thing that is none, next to one that is: these decide together.
    if wrapper in LOGINS and dice.below(3, name, "login"):
        changed.update(LOGINS[wrapper], password=sha512(PASSWORD))
        changed.pop("accountUuid", None)
    if wrapper == "updateGlobalConfig":
        changed.update(config(dice, name, given, path))
    if name == "POST /accesskeys" and dice.below(4, name, "owner"):
        changed.update({key: world.admin for key in ("accountUuid", "userUuid") if key in given})
    if name.startswith("POST /") and "tags" in name and dice.below(4, name, "tag"):
        changed.update(tag(world, dice, name, given, path))
    if name == "PUT /system-tags/{uuid}/actions updateSystemTag" and dice.below(4, name, "tag"):
        changed["tag"] = f"uploadImage::{world.number()}"
    if "diskOfferingUuid" in given and dice.below(8, name, "offering"):
        changed.pop("diskOfferingUuid")
    for key, value in given.items():
        some = dice.below(4, name, key) != 0
        if key in BY_NAME and some and isinstance(value, str):
            changed[key] = dice.one_of(world.known(BY_NAME[key]) or [value], name, key)
        elif key == "primaryStorageUuid" and some:
            changed[key] = world.storages[0]
        elif key == "dstPrimaryStorageUuid" and some:
            changed[key] = world.storages[1]
        elif key == "resourceUuid" and some and "tags" not in name and isinstance(value, str):
            changed[key] = world.uuid()
        elif key == "accountUuid" and some and wrapper == "params" and "/volumes" in name:
            changed[key] = world.admin
        elif key == "url" and isinstance(value, str):
            changed[key] = world.directory() if some else below(world.scratch, value)
        elif key == "installPath" and some and isinstance(value, str):
            changed.update({key: world.image(world.home), "primaryStorageUuid": world.storages[0]})
        elif key == "path" and some and isinstance(value, str):
            changed[key] = world.image(world.scratch)
        elif key == "jobName" and some and isinstance(value, str):
            changed[key] = dice.one_of(["APISimulateJobMsg", "APISimulateJobMsg",
                                        "APIPrimaryStorageMigrateVolumeMsg"], name, key)
        elif key == "jobData" and isinstance(value, str):
            changed[key] = job_data(world, dice, name, value)
        elif key == "name" and value == "" and some:
            changed[key] = f"named {world.number()}"
        elif key == "diskSize" and isinstance(value, int) and some:
            changed[key] = value % DISK_MAX
        elif key == "oldPassword" and some:
            changed[key] = sha512("victim")
        elif key == "duration" and isinstance(value, int) and some:
            changed[key] = value % 7200
    return changed


def config(dice, name, given, path):
    """A value that may be chosen for a configuration."""
    values = CONFIGS.get(f"{path.get('category')}/{path.get('name')}")
    numeric = bool(re.search(r"\d", str(given.get("value", "")))) or given.get("value") == ""
    if values and (numeric or dice.below(4, name, "value")):
        return {"value": dice.one_of(values, name, "value")}
    return {}


def tag(world, dice, name, given, path):
    """A tag for something that is there; a tag of the system begins as one of those that are known."""
    kind = given.get("resourceType")
    kind = kind if isinstance(kind, str) and kind in BY_TYPE else "LongJobVO"
    changed = {"resourceType": kind}
    if "resourceUuid" in path:
        changed["resourceType"] = kind = "LongJobVO"
    else:
        changed["resourceUuid"] = getattr(world, BY_TYPE[kind])()
    text = f"{TAG_BY_TYPE[kind]}{world.number()}" if "system-tags" in name else f"tag {world.number()}"
    changed.update({"tags": [text]} if "tags" in given else {"tag": text})
    return changed


def below(scratch, url):
    """A directory of the run's own, whatever is asked for; nothing that leads out of it again."""
    return os.path.join(scratch, re.sub(r"[^A-Za-z0-9_-]", "_", url)[:40] or "empty")


def job_data(world, dice, name, value):
    """`jobData` that some job type can work with; a fourth stays as it was generated."""
    side = dice.below(8, name, "jobData")
    if side < 2:
        return value
    if side < 4:
        return json.dumps({"volumeUuid": dice.one_of(world.known("/volumes"), name, "volume"),
                           "dstPrimaryStorageUuid": dice.one_of(world.storages, name, "storage")})
    outcome = ["succeed", "fail", "interrupt", "succeed"][side - 4]
    return json.dumps({"durationMs": dice.below(400, name, "duration"), "outcome": outcome,
                       "adminPassword": "hidden"})
