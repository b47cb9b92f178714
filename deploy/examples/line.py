#!/usr/bin/python3
"""A line's own client, in Python: identities for the tickets named, over one stream (docs/calling.md).

    line.py --server HOST:PORT --tls FOLDER --lot LOT --out FOLDER TICKET...

FOLDER of --tls holds ca.pem, line.pem and line.key. Each unit's images go to OUT/TICKET/<name>.bin, each with its
signature beside it (<name>.bin.cms). Ends with 1 when a ticket was refused; asking again is always safe.
"""

import argparse
import hashlib
import os
import sys
import time

import grpc

# Stubs made by protoc bring google/rpc; Debian's protobuf brings the rest of that package.
import google

for folder in sys.path:
    if os.path.isdir(os.path.join(folder, "google", "rpc")):
        google.__path__.append(os.path.join(folder, "google"))

from google.rpc import error_details_pb2, status_pb2
from assay.v1 import issuance_pb2, issuance_pb2_grpc


def channel(server, tls):
    def read(name):
        with open(os.path.join(tls, name), "rb") as file:
            return file.read()

    credentials = grpc.ssl_channel_credentials(read("ca.pem"), read("line.key"), read("line.pem"))
    # gRPC takes answers of 4 MiB unless it is told otherwise; an image may have 16.
    return grpc.secure_channel(server, credentials, [("grpc.max_receive_message_length", 32 << 20)])


def refusal_of(error):
    """What the trailers of a refused call say: reason, field, value, rule, and seconds to wait (None: do not retry)."""
    said = {"code": error.code().name, "message": error.details(), "retry": None}
    for name, value in error.trailing_metadata() or ():
        if name != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info = error_details_pb2.ErrorInfo()
            retry = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                said.update(info.metadata, reason=info.reason)
            elif detail.Unpack(retry):
                said["retry"] = retry.retry_delay.ToMilliseconds() / 1000
    return said


def whole(image):
    """The image's bytes: what was left out at the end is erased flash."""
    return image.content + b"\xff" * (image.size - len(image.content))


def keep(folder, identity):
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for image in identity.images:
        if image.withheld:
            continue
        content = whole(image)
        if hashlib.sha256(content).digest() != image.sha256:
            raise SystemExit(f"{identity.ticket}: {image.name} does not have its SHA-256")
        path = os.path.join(folder, image.name + ".bin")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        with open(path + ".cms", "wb") as file:
            file.write(image.signature)
    with open(os.path.join(folder, "image_certificate.der"), "wb") as file:
        file.write(identity.image_certificate)


def issue(stub, lot, tickets, out, refused):
    """One stream; yields the tickets to ask for again, and when. What no retry mends is added to `refused`."""
    requests = (issuance_pb2.IssueRequest(ticket=ticket, lot=lot) for ticket in tickets)
    owed = set(tickets)
    try:
        for answer in stub.IssueStream(requests, metadata=[("assay-short-images", "1")]):
            owed.discard(answer.ticket)
            if answer.HasField("issued"):
                keep(os.path.join(out, answer.ticket), answer.issued.identity)
                print(f"{answer.ticket} is {answer.issued.identity.device_id}")
            elif answer.refused.reason == "DEADLINE_TOO_SHORT":  # of this stream; the next one has its own
                yield answer.ticket, 1
            elif answer.refused.retry_after_ms > 0:
                yield answer.ticket, answer.refused.retry_after_ms / 1000
            else:
                refused.add(answer.ticket)
                print(f"{answer.ticket} is refused: {answer.refused.reason}: {answer.refused.message}", file=sys.stderr)
    except grpc.RpcError as error:
        said = refusal_of(error)
        gone = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        if said["retry"] is None and not gone:
            raise SystemExit(f"{said.get('reason', said['code'])}: {said['message']}")
        print(f"the stream ended: {said['message']}", file=sys.stderr)
        for ticket in owed:
            yield ticket, said["retry"] or 1
        return
    for ticket in owed:
        yield ticket, 0


def main():
    parser = argparse.ArgumentParser()
    for option in ("--server", "--tls", "--lot", "--out"):
        parser.add_argument(option, required=True)
    parser.add_argument("tickets", nargs="+")
    args = parser.parse_args()
    for ticket in args.tickets:
        if ticket.startswith(".") or "/" in ticket:  # each names a folder here
            parser.error(f"ticket {ticket!r} must not begin with '.' nor hold '/'")
    open_tickets, refused = args.tickets, set()
    with channel(args.server, args.tls) as line:
        stub = issuance_pb2_grpc.IssuanceServiceStub(line)
        for _ in range(10):
            again = dict(issue(stub, args.lot, open_tickets, args.out, refused))
            if not again:
                break
            time.sleep(max(again.values()))
            open_tickets = list(again)
        else:
            refused.update(open_tickets)  # not answered after ten streams
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
