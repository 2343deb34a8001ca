"""An S3 server on the loopback, for tests."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import boto3
from moto.server import ThreadedMotoServer

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def serving(address: str = "127.0.0.1") -> Iterator[ThreadedMotoServer]:
    """A server on a free port, with its keys in the surroundings."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line a request
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    with mock.patch.dict("os.environ", KEYS):
        server.start()
        try:
            yield server
        finally:
            server.stop()


def bucket(server: ThreadedMotoServer, name: str, *, make: bool = True) -> str:
    """The URI of a folder in a bucket, as Arrow reads it."""
    host, port = server.get_host_and_port()
    if make:
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket=name)
    return f"s3://{name}/runs?scheme=http&endpoint_override={host}:{port}&region=us-east-1"
