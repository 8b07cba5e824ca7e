"""What kinto.js does, by kinto-http: creates, lists, patches, batches and deletes. client.py SERVER TOKEN TOKEN"""

import sys

from kinto_http import BearerTokenAuth, Client, KintoException
from kinto_http.patch_type import JSONPatch

server, alice_token, bob_token = sys.argv[1:]


def client(token, scheme):
    return Client(server_url=server, auth=BearerTokenAuth(token, type=scheme), bucket="shelf", collection="books")


for scheme in ["Bearer", "JWT"]:
    alice, bob = client(alice_token, scheme), client(bob_token, scheme)
    assert alice.server_info()["user"]["id"] == "kinto_jwt:alice", alice.server_info()
    alice.create_bucket()
    alice.create_collection(permissions={"read": ["kinto_jwt:bob"]})
    assert alice.get_collection()["permissions"]["write"] == ["kinto_jwt:alice"]

    for n in range(3):
        alice.create_record(id=f"book{n}", data={"title": f"Book {n}"})
    assert sorted(r["id"] for r in alice.get_records()) == ["book0", "book1", "book2"]
    assert [r["id"] for r in alice.get_records(title="Book 1")] == ["book1"]

    alice.patch_record(id="book0", data={"title": "Emma"})
    alice.patch_record(id="book0", changes=JSONPatch([{"op": "add", "path": "/data/year", "value": 1815}]))
    book = alice.get_record(id="book0")["data"]
    assert (book["title"], book["year"]) == ("Emma", 1815), book

    with alice.batch() as batch:
        for n in range(3, 30):
            batch.create_record(id=f"book{n}", data={"title": "Bücher"})
        batch.delete_record(id="book1")
        batch.patch_record(id="book2", data={"read": True})
    # 29 requests, which its default of 25 makes two batches.
    assert len(batch.results()) == 29, batch.results()
    books = {r["id"]: r for r in alice.get_records()}
    assert len(books) == 29 and "book1" not in books and books["book2"]["read"]
    assert books["book29"]["title"] == "Bücher"

    # It was granted to read, not to write.
    assert len(bob.get_records()) == 29
    try:
        bob.create_record(data={"title": "Mine"})
        raise SystemExit("bob has written")
    except KintoException as error:
        assert error.response.status_code == 403, error

    # Every user has a default bucket; it is nobody else's.
    diary = Client(server_url=server, auth=BearerTokenAuth(bob_token, type=scheme), collection="diary")
    diary.create_record(data={"day": scheme})
    assert [r["day"] for r in diary.get_records()] == [scheme]
    diary.delete_records()
    assert diary.get_records() == []

    alice.delete_record(id="book0")
    alice.delete_records()
    assert alice.get_records() == []
    alice.delete_collection()
    alice.delete_bucket()
    try:
        alice.get_bucket()
        raise SystemExit("the bucket is still there")
    except KintoException as error:
        assert error.response.status_code == 403, error
    print(f"{scheme}: created, listed, patched, batched and deleted")
