"""Uploads a file with tuspy, as a program of its own that can be killed: FILE URL. A line for every chunk."""

import sys

import requests
from tusclient.client import TusClient

CHUNK_BYTES = 1 << 20


def main():
    path, url = sys.argv[1:]
    head = requests.head(url, headers={"Tus-Resumable": "1.0.0"}, timeout=30)
    head.raise_for_status()
    # What is known already is gone on with, as a client that kept the URL does.
    known = {"url": url} if "Upload-Length" in head.headers else {}
    uploader = TusClient(url).uploader(path, chunk_size=CHUNK_BYTES, retries=0, **known)
    while uploader.offset < uploader.get_file_size():
        uploader.upload_chunk()
        print(uploader.offset, flush=True)


main()
